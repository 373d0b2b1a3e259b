"""What a misplaced name means: `optimizer=cosine` is `schedule=cosine`, `lr=0.1` is `optimizer.lr=0.1`."""

from __future__ import annotations

from collections.abc import Iterator

import yaml

from framework.config.keys import SECTIONS, SHARED, options
from framework.config.presets import KINDS_OF, choices
from framework.core.options import declared
from framework.core.reading import read_text
from framework.registry.discovery import discover
from framework.registry.registry import SEVERAL_GROUPS, conf_dir

MOST = 3  # suggestions in one message


def elsewhere(name: str, group: str = "") -> str:
    """The other groups that have a choice of that name: `; 'cosine' is a schedule: schedule=cosine`; empty if none has.

    Args:
        group: the group that does not have it.
    """
    found = [line for other, line in _places(name) if other != group]
    return "; " + ", ".join(found[:MOST]) if found else ""


def longer(key: str) -> str:
    """The keys that end in this one: `; did you mean optimizer.lr?`; otherwise a choice of that name, or nothing."""
    found = list(dict.fromkeys(_ending(key)))[:MOST]
    return f"; did you mean {' or '.join(found)}?" if found else elsewhere(key)


def of_hydra(key: str) -> str:
    """The choices that have a key of Hydra's: `; hydra/sweeper=optuna has it`; empty if none has, or it is not Hydra's."""
    section, _, name = key.rpartition(".")
    if not section.startswith("hydra."):
        return ""
    group = section.replace(".", "/")
    files = sorted((conf_dir() / group).glob("*.yaml"))
    found = [f"{group}={file.stem}" for file in files if name in (yaml.safe_load(read_text(file)) or {})]
    return f"; {' and '.join(found)} {'have' if len(found) > 1 else 'has'} it" if found else ""


def _places(name: str) -> Iterator[tuple[str, str]]:
    for kind, known in discover().entries.items():
        if name not in known:
            continue
        groups = [group for group, of in KINDS_OF.items() if of == kind]
        what = f"'{name}' is {'an' if kind[0] in 'aeiou' else 'a'} {kind}"
        if kind == "metric":
            yield "metrics", f"{what}: metrics=[{name}]"
        elif groups:
            yield groups[0], f"{what}: {groups[0]}={f'[{name}]' if groups[0] in SEVERAL_GROUPS else name}"
        else:
            yield kind, f"{what} (stackprop describe {kind}/{name})"
    for group, names in choices().items():
        if name in names and group not in KINDS_OF:
            yield group, f"'{name}' is {'an' if group[0] in 'aeiou' else 'a'} {group}: {group}={name}"


def _ending(key: str) -> Iterator[str]:
    """Keys of the default configuration, and keys that all choices share, whose last part is `key`."""
    for section, cls in SECTIONS.items():
        yield from (each.name for each in options(section, cls) if each.name.endswith(f".{key}") and key != "type")
    chosen = yaml.safe_load(read_text(conf_dir() / "config.yaml"))["defaults"]
    for group, name in [pair for part in chosen if isinstance(part, dict) for pair in part.items()]:
        entry = discover().entries.get(KINDS_OF.get(group, ""), {}).get(str(name))
        if entry is not None and key in declared(entry.component):
            yield f"{group}.{key}"
        if group == "model" and key in yaml.safe_load(read_text(conf_dir() / "model" / f"{name}.yaml")):
            yield f"model.{key}"
    yield from (name for keys in SHARED.values() for name, *_ in keys if name.endswith(f".{key}") and "<" not in name)
