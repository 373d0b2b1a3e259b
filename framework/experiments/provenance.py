"""The origins of a run's components: saved in its folder, and compared when the run is loaded.

`plugins.json` holds for every component the distribution and its version, or the single file and its SHA-256; for
third-party distributions also the SHA-256 of the module, as the version may stay the same during development. It also has
the versions of all installed distributions with plugins. `plugins/` holds a copy of each single file.
"""

from __future__ import annotations

import functools
import hashlib
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from framework.config.schema import Settings
from framework.core.errors import ConfigError, RegistrationError
from framework.core.log import log
from framework.core.version import GROUP, normalized
from framework.core.writing import inside, write_bytes, write_json
from framework.registry.discovery import Code, discover, everything, load_code, text_of, without
from framework.registry.installed import versions
from framework.registry.registry import Entry, Registry, Source
from framework.tracking.origins import COPIES, FILE, label, read

_SAID: set[str] = set()  # each printed once


def save_sources(settings: Settings, folder: Path) -> None:
    """Save the origins of the components of these settings, and a copy of each single file."""
    registry, files = discover(), dict[str, Any]()
    components = _components(settings, registry)
    named = {Path(path).expanduser().resolve() for path in settings.plugins}
    for file in (named & registry.files.keys()) | {Path(about["file"]) for about in components.values() if "file" in about}:
        sha256 = registry.files[file]
        copy = inside(folder, COPIES) / f"{file.stem}-{sha256[:8]}.py"
        write_bytes(copy, registry.code[sha256])  # as loaded: the file may have changed since
        files[str(file)] = {"sha256": sha256, "kept": copy.name}
    about = {"components": components, "files": files, "distributions": versions()}
    write_json(folder / FILE, about, lasting=False)


_LATEST: list[tuple[Settings, Registry, dict[str, dict[str, str]]]] = []
OF_A_JOB = ("seed", "about", "tree", "written")  # settings without components


def _components(settings: Settings, registry: Registry) -> dict[str, dict[str, str]]:
    """The origins of all components; those of the latest run, if it has the same ones, as have many jobs of a sweep."""
    names = [f.name for f in fields(Settings) if f.name not in OF_A_JOB]
    for known, of_known, found in _LATEST:
        pairs = [(getattr(known, name), getattr(settings, name)) for name in names]
        if of_known is registry and all(one is other or not (one or other) for one, other in pairs):
            return found
    used = sources_used(settings, registry)
    found = {name: {key: text for key, text in origin(entry, registry).items() if text} for name, entry in used}
    _LATEST[:] = [(settings, registry, found)]
    return found


def sources_used(value: Any, registry: Registry) -> Iterator[tuple[str, Entry]]:
    """The registered components in a tree of dataclasses, mappings and tuples, as `kind/name`."""
    known = {
        entry.component: (f"{kind}/{name}", entry) for kind, all_ in registry.entries.items() for name, entry in all_.items()
    }

    found, todo = dict[str, Entry](), [value]
    while todo:
        one = todo.pop()
        kind: Any = type(one)
        if kind in known:
            name, entry = known[kind]
            found.setdefault(name, entry)
        if isinstance(one, Mapping):
            parts = list(one.values())
        else:
            parts = list(one) if isinstance(one, tuple) else [getattr(one, field) for field in _fields(kind)]
        todo += reversed(parts)
    yield from found.items()


@functools.cache
def _fields(kind: Any) -> tuple[str, ...]:
    """The fields of a dataclass; none of another type."""
    return tuple(f.name for f in fields(kind) if f.name != "tree") if is_dataclass(kind) else ()


def origin(entry: Entry, registry: Registry) -> dict[str, str]:
    """The recorded origin of a component."""
    source = registry.sources.get(entry.provider, Source())
    if normalized(source.distribution) in ("", GROUP):
        return source._asdict()
    module = getattr(sys.modules.get(entry.component.__module__), "__file__", None)
    text = Path(module).read_bytes() if module and Path(module).is_file() else b""
    return {**source._asdict(), "sha256": hashlib.sha256(text).hexdigest() if text else ""}


def registry_of(folder: Path, tree: Mapping[str, Any], trust: bool = False) -> Registry:
    """The registry of a recorded run, as far as possible: what is installed, and the run's own files. Differences are
    printed.

    Args:
        tree: its configuration, which names files, and plugins that are disabled.
        trust: run files even if this user has not run them here before.

    Raises:
        ConfigError: a file is missing or wrong, or this user has not run it here before.
    """
    recorded, disabled, paths = read(folder), tree.get("disable_plugins"), sources_of(folder, tree)
    off = [name for name in disabled if isinstance(name, str)] if isinstance(disabled, list) else []
    registry = without(frozenset(off)) if off else everything()
    if paths or registry.files:
        registry = registry.copy()
        for file in [file for file in registry.files if str(file) not in paths]:
            registry.forget_file(file)
    try:
        for path, source in paths.items():
            load_code(Code(path, source), registry, by_user=trust)
    except RegistrationError as error:
        raise ConfigError("\n".join(f"{folder}: plugins: {line}" for line in str(error).splitlines())) from error
    _compare(folder, recorded["components"], registry)
    return registry


def sources_of(folder: Path, tree: Mapping[str, Any]) -> dict[str, Path]:
    """The single files of a recorded run -> the file to read for each: the original, or the run's copy."""
    recorded, plugins = read(folder)["files"], tree.get("plugins")
    named = [path for path in plugins if isinstance(path, str)] if isinstance(plugins, list) else []
    paths = dict.fromkeys([*(str(Path(path).expanduser().resolve()) for path in named), *recorded])
    return {path: _source(folder, Path(path), recorded.get(path, {})) for path in paths}


def _source(folder: Path, file: Path, about: Mapping[str, Any]) -> Path:
    """The file to read for a recorded file: the original, or the run's copy if the original has changed."""
    wanted, copy = about.get("sha256"), folder / COPIES / Path(str(about.get("kept", ""))).name
    there = _sha256(file)
    if not wanted or there == wanted:
        return file
    happened = "has changed since this run" if there else "does not exist any more"
    if _sha256(copy) == wanted:
        _say(f"{folder}: {file} {happened}; the run's copy is used")
        return copy
    if there:
        _say(f"{folder}: {file} {happened}, and the run has no copy; the current file is used")
    return file


def _sha256(file: Path) -> str:
    try:
        return hashlib.sha256(text_of(Code(str(file), file))).hexdigest()
    except RegistrationError:
        return ""


def _compare(folder: Path, recorded: Mapping[str, Mapping[str, Any]], registry: Registry) -> None:
    """Print which installed components differ from those of the run."""
    installed = {name: about for name, about in recorded.items() if not about.get("file")}
    for why, names in _changes(installed, registry, "this run").items():
        _say(f"{folder}: {_named(names)} {why}")


def report_other_code(sweep: Path, finished: Sequence[Path]) -> None:
    """Print which components of the finished jobs of a sweep have changed: its other jobs train with the present ones."""
    found = Counter[str]()
    for folder in finished:
        changes = _changes(read(folder)["components"], discover(), "then")
        found.update(f"{_named(names)} {why}" for why, names in changes.items())
    for line, number in found.items():
        _say(f"{sweep}: {number} of its finished jobs used other code, and are not repeated: {line}")


def _named(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _changes(recorded: Mapping[str, Mapping[str, Any]], registry: Registry, then: str) -> dict[str, list[str]]:
    """What has happened since `then`, the time of a run -> the names of the components."""
    changed: dict[str, list[str]] = {}
    for name, about in recorded.items():
        kind, _, own = name.partition("/")
        entry = registry.entries.get(kind, {}).get(own)
        now = origin(entry, registry) if entry else {}
        if not now:
            why = f"was from {label(about)}, which does not provide it here"
        elif (now["distribution"], now["version"]) != (about.get("distribution", ""), about.get("version", "")):
            why = f"was from {label(about)}; now it is from {label(now)}"
        elif now["sha256"] != about.get("sha256", ""):
            why = f"is from {label(about)}, which has changed since {then}"
        else:
            continue
        changed.setdefault(why, []).append(name)
    return changed


def _say(line: str) -> None:
    if line not in _SAID:
        _SAID.add(line)
        log.error(line)
