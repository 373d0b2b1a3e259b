"""What a name means, also those that no configuration component has: sweepers, launchers and figures."""

from __future__ import annotations

from collections.abc import Iterator

from framework.config import about
from framework.config.about import About
from framework.config.keys import entries, options_of
from framework.core.reading import read_text
from framework.registry.registry import conf_dir

GROUPS = {
    "sweeper": ("Which jobs a sweep has; one of these, hydra/sweeper=NAME:", "docs/guides/hyperparameter-search.md"),
    "launcher": ("Where the jobs of a sweep train; one of these, hydra/launcher=NAME:", "docs/guides/distributed.md"),
}
FIGURES = ("figure", "figures")
KEYS = ("key", "default", "")


def meanings(word: str) -> list[About]:
    """Every meaning of a name, see `framework.config.about.meanings`; `hydra/sweeper=optuna` and `optimizer=adam` too.

    Raises:
        ConfigError: it is unknown; the message has the closest names.
    """
    word = word.replace("=", "/", 1)
    return about.meanings(word, [*_of_sweeps(word), *_of_figures(word)], _names())


def known_names() -> list[str]:
    """All names that `meanings` knows, apart from options of components."""
    return sorted({*about.known_names(), *_names()})


def _names() -> list[str]:
    presets = [f"{group}/{name}" for group in GROUPS for name in _presets(group)]
    keys = {row[0] for name in presets for row in _keys(*name.split("/"))}
    return [*GROUPS, *(name.partition("/")[2] for name in presets), *sorted(keys), *_figures()]


def _presets(group: str) -> list[str]:
    return sorted(path.stem for path in (conf_dir() / "hydra" / group).glob("*.yaml"))


def _of_sweeps(word: str) -> Iterator[About]:
    """Sweepers, launchers and their options: `sweeper`, `optuna`, `hydra/launcher/ray`, `hydra.sweeper.n_trials`."""
    word = word.removeprefix("hydra/").removeprefix("hydra.")
    for group, (text, guide) in GROUPS.items():
        names = _presets(group)
        if word in (group, "hydra"):
            tail = f"`stackprop describe NAME` shows the options of one; {guide} explains them."
            yield About(f"group 'hydra/{group}'", text, ("", ""), [(name, _head(group, name)) for name in names], tail)
        for name in names:
            if word in (name, f"{group}/{name}"):
                tail = f"Choose it: stackprop -m hydra/{group}={name} ...; {guide} explains it."
                yield About(f"{group} '{name}'", _head(group, name), KEYS, list(_keys(group, name)), tail)
        rows = [(name, *row[1:]) for name in names for row in _keys(group, name) if row[0] == f"hydra.{word}"]
        if rows:
            yield About(f"key 'hydra.{word}'", "", (group, *KEYS[1:]), rows)


def _head(group: str, name: str) -> str:
    """The comment at the beginning of a preset."""
    return read_text(conf_dir() / "hydra" / group / f"{name}.yaml").partition("\n")[0].lstrip("# ")


def _keys(group: str, name: str) -> Iterator[tuple[str, str, str]]:
    """The keys of a preset, with defaults and comments."""
    outer = ""
    for indent, key, value, text in entries(conf_dir() / "hydra" / group / f"{name}.yaml"):
        if value.startswith("#"):  # a mapping
            outer = f"{key}."
        elif key != "_target_":
            yield f"hydra.{group}.{outer if indent else ''}{key}", value, text


def _figures() -> dict[str, str]:
    """name -> a line about it."""
    from framework.analysis import sweep_figures
    from framework.cli.commands.figure import OF_RUNS

    return {**sweep_figures.KINDS, **OF_RUNS}


def _of_figures(word: str) -> Iterator[About]:
    """Figures of runs and sweeps: `figures`, `confusion`, `figure/confusion`."""
    known = _figures()
    if word in ("figure", "figures"):
        tail = "`stackprop describe figure/NAME` shows the options of one."
        yield About(
            "figures of stackprop",
            "stackprop figure RUN|SWEEP NAME draws one of these:",
            ("", ""),
            sorted(known.items()),
            tail,
        )
    name = word.removeprefix("figure/").removeprefix("figures/")
    if name in known:
        from framework.analysis import figures
        from framework.config.options import Appearance

        rows = [row for cls in (figures.options_of(name), Appearance) for row in options_of(cls)]
        shown = [(option, kind, value, text) for option, kind, value, _, _, text in rows]
        yield About(
            f"figure '{name}'",
            known[name],
            ("option", "type", "default", ""),
            shown,
            f"Draw it: stackprop figure RUN|SWEEP {name}; docs/guides/figures-and-ui.md explains it.",
        )
