"""The page of all configuration keys, from the option classes and the presets of `conf/`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

from framework.config.keys import SECTIONS, SHARED, Key, entries, first_line, general, key_of, options, type_of
from framework.config.schema import COMPONENT_GROUPS
from framework.core.options import declared
from framework.registry.discovery import discover
from framework.registry.registry import SEVERAL_GROUPS, conf_dir
from framework.sweeps.search.ant_colony import ColonyOptions
from framework.sweeps.search.runner import Objective
from framework.sweeps.sweepers import LstmOptions, OptunaOptions
from hydra_plugins import stackprop as launchers

# Group -> page, where that is not the group with an s.
PAGES = {"loss": "losses", "study": "studies", "probes": "probes"}
SWEEPERS: Mapping[str, tuple[type, ...]] = {
    "grid": (),
    "ant_colony": (Objective, ColonyOptions),
    "optuna": (Objective, OptunaOptions),
    "ant_colony_lstm": (Objective, LstmOptions),
}
LAUNCHERS = {"stacked": launchers.StackedLauncher, "submitit": launchers.SubmititLauncher, "ray": launchers.RayLauncher}
OF_HYDRA = ("_target_", "params")  # keys of a sweeper that are set by other means

INTRODUCTION = """\
# Configuration

Every key of a run and of a sweep. A key is set in the command: `stackprop trainer.epochs=20`. A group takes the name of a
choice: `stackprop optimizer=nag`. The options of a choice follow its name: `stackprop optimizer=nag optimizer.alpha=0.8`.
The pages of the [components](index.md) list those options. `stackprop --cfg job` prints the whole configuration.

The value `null` means: not set. A default of another key is written `${key}`.
"""


def page() -> str:
    """The whole page."""
    return "\n".join(part.rstrip() + "\n" for part in (INTRODUCTION, *sections()))


def sections() -> Iterator[str]:
    """The sections after the introduction."""
    yield "## General\n\n" + table(general())
    yield "## Groups\n\n" + groups()
    for name, cls in SECTIONS.items():
        yield f"## {name}\n\n{first_line(cls)}\n\n" + table(options(name, cls))
    for title, keys in SHARED.items():
        yield f"## {title}\n\n" + table(Key(*key) for key in keys)
    yield "## Models\n\n" + models()
    for name, cls in LAUNCHERS.items():
        yield f"## hydra/launcher={name}\n\n{first_line(cls)}\n\n" + table(preset_keys("launcher", name, parameters(cls)))
    for name, parts in SWEEPERS.items():
        keys = list(preset_keys("sweeper", name, {k: v for part in parts for k, v in declared(part).items()}))
        text = table(keys) if keys else "Every combination of the values. It has no options."
        yield f"## hydra/sweeper={name}\n\n{text}"


def groups() -> str:
    """The groups, their defaults, and where their choices are listed."""
    chosen = yaml.safe_load((conf_dir() / "config.yaml").read_text())["defaults"]
    defaults = {key: value for part in chosen if isinstance(part, dict) for key, value in part.items()}
    rows = []
    for group in (*COMPONENT_GROUPS, *SEVERAL_GROUPS):
        title = PAGES.get(group, f"{group}s")
        several = "several, as a list" if group in SEVERAL_GROUPS else "one"
        shipped = discover().names(SEVERAL_GROUPS.get(group, group))
        where = f"[{title}]({title}.md)" if shipped else "of [plugins](../extending/plugins.md)"
        rows.append(f"| `{group}` | {cell(defaults[group])} | {several} | {where} |")
    rows += [f"| `{group}` | {cell(defaults[group])} | one | {files(group)} |" for group in ("model", "trainer", "tracking")]
    return "| group | default | how many | choices |\n|---|---|---|---|\n" + "\n".join(rows)


def files(group: str) -> str:
    """The presets of a group."""
    return ", ".join(f"`{path.stem}`" for path in sorted((conf_dir() / group).glob("*.yaml")))


def models() -> str:
    """The models and the keys that they add."""
    rows = []
    for path in sorted((conf_dir() / "model").glob("*.yaml")):
        tree = yaml.safe_load(path.read_text())
        keys = ", ".join(
            f"`model.{key}={'null' if value is None else value}`"
            for key, value in tree.items()
            if not isinstance(value, dict)
        )
        lines = (line for line in path.read_text().splitlines() if not line.startswith("# @"))
        first = next(lines, "")
        rows.append(f"| `{path.stem}` | {keys} | {first[2:] if first.startswith('# ') else ''} |")
    return "| model | its keys, with their defaults | what it is |\n|---|---|---|\n" + "\n".join(rows)


def preset_keys(kind: str, name: str, types: Mapping[str, Any]) -> Iterator[Key]:
    """The keys of a launcher or sweeper: defaults and texts as its preset has them."""
    above = ""
    for indent, key, value, text in entries(conf_dir() / "hydra" / kind / f"{name}.yaml"):
        above = above if indent else ""
        if key in OF_HYDRA or (key not in types and not above):
            continue
        path = f"hydra.{kind}.{above}{key}"
        if key in types and isinstance(types[key], tuple):
            yield key_of(path, *types[key], value)._replace(text=text)
        elif value.startswith("#"):
            above = f"{key}."
        else:
            yield Key(path, "passed on", value, "", text) if key not in types else typed(path, types[key], value, text)


def typed(path: str, hint: Any, value: str, text: str) -> Key:
    """The row of an argument of a launcher."""
    kind, allowed = type_of(hint)
    return Key(path, kind, value, allowed, text)


def parameters(cls: type) -> dict[str, Any]:
    """The types of what a launcher takes."""
    return {name: hint for name, hint in inspect.get_annotations(cls.__init__, eval_str=True).items() if name != "return"}


def table(keys: Iterable[Key]) -> str:
    """A table of keys."""
    rows = [f"| `{k.name}` | {k.type} | {cell(k.default)} | {escaped(k.allowed)} | {escaped(k.text)} |" for k in keys]
    return "| key | type | default | allowed | what it is |\n|---|---|---|---|---|\n" + "\n".join(rows)


def cell(value: Any) -> str:
    """A value as code."""
    words = {True: "true", False: "false", None: "null"}
    text = words[value] if isinstance(value, bool) or value is None else str(value)
    return text if " " in text and not text.startswith(("{", "[")) else f"`{text}`"


def escaped(text: str) -> str:
    """Text that a table and Markdown leave as it is."""
    return re.sub(r"([|*<])", r"\\\1", text)
