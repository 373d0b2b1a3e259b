"""Names to components."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple

from framework.hooks import KINDS

RESERVED = ("type", "from", "share", "frozen", "after")  # keys that a node of the configuration uses itself


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
    """kind -> name -> Entry, and what went wrong while plugins were loaded."""

    def __init__(self) -> None:
        self.entries: dict[str, dict[str, Entry]] = {kind: {} for kind in KINDS.values()}
        self.problems: list[str] = []

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
            if f.name in RESERVED:
                raise RegistrationError(
                    f"{kind} '{name}' of '{provider}': no option may be called '{f.name}' (reserved: {', '.join(RESERVED)})"
                )
        self.entries[kind][name] = Entry(component, provider)

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
