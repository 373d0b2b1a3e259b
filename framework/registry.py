"""Names to components."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from framework.hooks import KINDS

# Keys that the configuration of a kind uses itself, beside the component's options.
RESERVED: dict[str, tuple[str, ...]] = dict.fromkeys(KINDS.values(), ("type",)) | {
    "layer": ("type", "from", "share", "frozen", "after", "initial"),
    "loss": ("type", "from", "target", "mask", "weight"),
    "dataset": ("type", "seed", "scale"),
    "metric": ("type", "head"),
}

LISTED = 24  # names that a message lists at most


class RegistrationError(ValueError):
    """A plugin registers something that cannot be a component."""


class UnknownComponentError(LookupError):
    """No component of that kind has that name."""


class Entry(NamedTuple):
    """A component's class and the plugin that brought it."""

    component: Any
    provider: str


def nearest(word: str, names: Iterable[object]) -> str:
    """The tail of an error message: the closest of `names`, and all of them."""
    known = [str(name) for name in names]
    close = difflib.get_close_matches(str(word), known, 1) or [name for name in known if word and name.startswith(str(word))]
    hint = f"; did you mean '{close[0]}'?" if close else ""
    if not known:
        return " (there is none)"
    shown = ", ".join(sorted(known)[:LISTED]) + (f" and {len(known) - LISTED} more" if len(known) > LISTED else "")
    return f"{hint} (there are: {shown})"


class Registry:
    """kind -> name -> Entry, and what went wrong while plugins were loaded.

    Attributes:
        presets: folders with presets that plugins bring, in the order in which they are looked through.
        files: single files whose components are registered too.
    """

    def __init__(self) -> None:
        self.entries: dict[str, dict[str, Entry]] = {kind: {} for kind in KINDS.values()}
        self.problems: list[str] = []
        self.presets: list[Path] = []
        self.files: list[Path] = []

    def add(self, kind: str, name: str, component: Any, provider: str) -> None:
        """Raises:
        RegistrationError: the name is taken, or the class is no frozen dataclass, or an option has a reserved name.
        """
        taken = self.entries[kind].get(name)
        if taken:
            raise RegistrationError(
                f"{kind} '{name}' is registered by both '{taken.provider}' and '{provider}'; '{taken.provider}' keeps it"
            )
        if not (isinstance(component, type) and is_dataclass(component) and component.__dataclass_params__.frozen):  # type: ignore[attr-defined]
            raise RegistrationError(
                f"{kind} '{name}' of '{provider}': {component!r} is no frozen dataclass; write @dataclass(frozen=True)"
            )
        for f in fields(component):
            if f.name in RESERVED[kind]:
                reserved = ", ".join(RESERVED[kind])
                raise RegistrationError(
                    f"{kind} '{name}' of '{provider}': no option may be called '{f.name}' (reserved: {reserved})"
                )
        self.entries[kind][name] = Entry(component, provider)

    def forget(self, provider: str) -> None:
        """Take out everything that a plugin brought."""
        for kind, known in self.entries.items():
            self.entries[kind] = {name: entry for name, entry in known.items() if entry.provider != provider}

    def add_presets(self, place: str | Path, provider: str) -> None:
        """Raises:
        RegistrationError: there is no such folder, or a preset in it would never be read, as its name is taken.
        """
        folder = _folder(place)
        if folder is None:
            raise RegistrationError(f"presets of '{provider}': there is no folder {place}")
        before, self.presets = self.presets, [*self.presets, folder]
        for preset in sorted(folder.rglob("*.yaml")):
            path = preset.relative_to(folder)
            if path.stem in self.entries.get(path.parent.as_posix(), {}):
                raise RegistrationError(f"preset {path} of '{provider}' is never read: its name is that of a component")
            hidden = [other for other in before if (other / path).is_file()]
            if hidden:
                raise RegistrationError(f"preset {path} of '{provider}' is never read: {hidden[0] / path} comes first")

    def names(self, kind: str) -> list[str]:
        """All names of a kind, sorted."""
        return sorted(self.entries[kind])

    def get(self, kind: str, name: str) -> Any:
        """The class registered under that name.

        Raises:
            UnknownComponentError: with the nearest name, and all names.
        """
        if name not in self.entries[kind]:
            raise UnknownComponentError(f"no {kind} '{name}'{nearest(name, self.entries[kind])}")
        return self.entries[kind][name].component


def _folder(place: str | Path) -> Path | None:
    """A folder given by its path, or by its dotted name inside a package."""
    if Path(place).is_dir():
        return Path(place).resolve()
    try:
        spec = find_spec(str(place))
    except (ImportError, ValueError):  # not a name at all
        return None
    folders = list(spec.submodule_search_locations or ()) if spec else []
    return Path(folders[0]).resolve() if folders else None
