"""What a name means, for `stackprop describe`: components, groups, presets, experiments and keys of the configuration."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from framework.config.experiment_files import experiments_dirs
from framework.config.keys import COLUMNS, SECTIONS, SHARED, Key, first_line, general, options, options_of
from framework.config.own_experiments import GROUP
from framework.config.presets import KINDS_OF, choices, shown
from framework.core.errors import ConfigError, did_you_mean
from framework.core.options import declared
from framework.core.reading import parse_yaml, read_text
from framework.registry.discovery import discover
from framework.registry.registry import SEVERAL_GROUPS, conf_dir

KEY_COLUMNS = ("key", "type", "default", "allowed", "")
FOLDS = ("folds", "fold")  # general keys that belong to the data


class About(NamedTuple):
    """One meaning of a name.

    Attributes:
        title: `optimizer 'adam'`.
        text: what it is.
        columns, rows: a table below the text.
        tail: text below the table.
    """

    title: str
    text: str
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    tail: str = ""


def meanings(word: str, others: Sequence[About] = (), names: Sequence[str] = ()) -> list[About]:
    """Every meaning of a name: `adam`, `optimizer`, `model/lstm`, `vanishing_gradient`, `trainer`, `trainer.epochs`, `seed`.

    Args:
        others: meanings that the configuration does not know.
        names: the names that have such meanings.

    Raises:
        ConfigError: it is unknown; the message has the closest names.
    """
    found = [*_groups(word), *_components(word), *_presets(word), *_keys(word), *others]
    if found:
        return found
    kind, _, name = word.rpartition("/")
    registry = discover()
    reasons = [line for each in registry.entries if kind in ("", each) for line in registry.reasons(each, name)]
    raise ConfigError("\n".join(dict.fromkeys([_unknown(word, names), *reasons])))


def known_names() -> list[str]:
    """All names that `meanings` knows, apart from options of components."""
    names = {name for known in discover().entries.values() for name in known}
    for group, chosen in choices().items():
        names |= {group, *chosen}
    return sorted(names | {*discover().entries} | {key.name for key in all_keys() if "<" not in key.name} | {*SECTIONS})


def all_keys() -> Iterator[Key]:
    """The keys that are not options of components."""
    yield from general()
    for section, cls in SECTIONS.items():
        yield from options(section, cls)
    for keys in SHARED.values():
        yield from (Key(*key) for key in keys)


def _unknown(word: str, names: Sequence[str]) -> str:
    kind, _, name = word.rpartition("/")
    if "." in word:
        return f"unknown key '{word}'{did_you_mean(word, [name for name in (*known_names(), *names) if '.' in name])}"
    entries = discover().entries
    within = {n for k, known in entries.items() for n in known if kind in ("", k)} | {*choices().get(kind, ())}
    return (
        f"unknown component '{word}'{did_you_mean(name, within if kind and within else {*within, *known_names(), *names})}"
    )


def _components(word: str) -> Iterator[About]:
    kind, _, name = word.rpartition("/")
    for each, known in discover().entries.items():
        groups = [group for group, of in KINDS_OF.items() if of == each]
        if name in known and kind in ("", each, *groups):
            component = known[name].component
            rows = options_of(component)
            yield About(f"{each} '{name}'", inspect.getdoc(component) or "", COLUMNS, rows)


def _groups(word: str) -> Iterator[About]:
    """A group, a kind of component without a group, or a section, with its choices and the keys that its choices share."""
    kinds, entries = KINDS_OF.get(word), discover().entries
    kind = kinds or (word if word in entries and word not in SECTIONS else "")
    names = dict.fromkeys([*choices().get(word, ()), *entries.get(kind, ())])
    shared = [key for key in all_keys() if key.name.startswith(f"{word}.")]
    shared += [key for key in general() if word == "dataset" and key.name in FOLDS]
    if kind and not names:
        yield About(f"group '{word}'", "None is installed; plugins bring them (docs/extending/plugins.md).")
    rows = [(name, _line_of(word, kind, name)) for name in sorted(names)]
    how = f"{word}=[NAME,NAME]" if word in SEVERAL_GROUPS else f"{word}=NAME" if word in choices() else ""
    text = f"One of these, {how}:" if how and word not in SEVERAL_GROUPS else f"Several of these, {how}:" if how else ""
    own = f"{kind or word}/NAME" if kind != word else "NAME"
    tail = f"`stackprop describe {own}` shows the options of one." if rows else ""
    if rows and [*names] != ["default"]:
        yield About(f"group '{word}'" if how else f"kind '{word}'", text, ("", ""), rows, tail)
    if shared:
        about = first_line(SECTIONS[word]) if word in SECTIONS else "Keys that all choices share:"
        yield About(f"keys of '{word}'", about, KEY_COLUMNS, shared)


def _line_of(group: str, kind: str, name: str) -> str:
    """The first line about a choice."""
    entry = discover().entries.get(kind, {}).get(name)
    if entry is not None:
        return first_line(entry.component)
    file = preset_file(group, name)
    try:
        return _comment(file).partition("\n")[0] if file else ""
    except (OSError, ValueError):  # reported when it is used
        return ""


def preset_file(group: str, name: str) -> Path | None:
    """The file of a preset, shipped, of a plugin, or of the user."""
    brought = discover().presets.get(f"{group}/{name}")
    places = [conf_dir() / group, *([brought.folder / group] if brought else [])]
    places += experiments_dirs() if group == GROUP else []
    return next((place / f"{name}.yaml" for place in places if (place / f"{name}.yaml").is_file()), None)


def _presets(word: str) -> Iterator[About]:
    """Presets and experiments of that name: `lstm`, `model/lstm`, `vanishing_gradient`."""
    within, _, name = word.rpartition("/")
    groups = choices()
    for group in (within,) if within else groups:
        file = preset_file(group, name) if name in groups.get(group, ()) else None
        if file is not None:
            yield _preset(group, name, file)


def _preset(group: str, name: str, file: Path) -> About:
    text = read_text(file)
    tree = parse_yaml(text, shown(file)) or {}
    body = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    tail = [body.strip("\n")] if body.strip() else []
    variables = {k: v for k, v in tree.items() if not isinstance(v, dict | list)} if group == "model" else {}
    if variables:
        tail.append(
            "Set its variables: " + " ".join(f"model.{k}={'null' if v is None else v}" for k, v in variables.items())
        )
    kind = group if group in (GROUP, "debug") else f"{group} preset"
    tail.append(f"Run it: stackprop {group}={name}" if group == GROUP else f"Choose it: {group}={name}")
    return About(f"{kind} '{name}'", f"{_comment(file)}\n\nIt sets ({_place(file)}):", tail="\n\n".join(tail))


def _place(file: Path) -> str:
    return f"conf/{file.relative_to(conf_dir())}" if file.is_relative_to(conf_dir()) else shown(file)


def _comment(file: Path) -> str:
    """The comment at the beginning of a preset."""
    lines = []
    for line in read_text(file).splitlines():
        if not line.startswith("#"):
            break
        if not line.lstrip("# ").startswith("@"):
            lines.append(line.lstrip("# "))
    return "\n".join(lines)


def _keys(word: str) -> Iterator[About]:
    """A key of the configuration, or an option that components of a group have."""
    for key in all_keys():
        if key.name == word:
            yield About(f"key '{word}'", key.text, ("type", "default", "allowed"), [(key.type, key.default, key.allowed)])
    group, _, option = word.partition(".")
    kind = KINDS_OF.get(group, group if group in discover().entries else "")
    rows = []
    for name, entry in sorted(discover().entries.get(kind, {}).items()) if option else ():
        if option in declared(entry.component):
            row = next(row for row in options_of(entry.component) if row[0] == option)
            rows.append((name, *row[1:]))
    if rows:
        yield About(f"option '{word}'", f"Of these choices of {group}:", (group, *COLUMNS[1:]), rows)
    if group == "model" and option and "." not in option:
        files = [(name, preset_file("model", name)) for name in choices()["model"]]
        trees: list[tuple[str, Any]] = [(name, yaml.safe_load(read_text(file))) for name, file in files if file]
        rows = [(name, str(tree[option])) for name, tree in trees if isinstance(tree, dict) and option in tree]
        if rows and option != "layers":
            yield About(f"variable '{word}'", "Of these models:", ("model", "default"), rows)


__all__ = ["About", "all_keys", "known_names", "meanings", "preset_file"]
