"""Finds a component by name: `adam`, or `optimizer/adam` if the name alone is ambiguous."""

from __future__ import annotations

from typing import Any

from framework.core.errors import ConfigError, did_you_mean
from framework.registry.discovery import discover


def find(word: str) -> tuple[str, str, Any]:
    """Kind, name and class of a component.

    Raises:
        ConfigError: the name is unknown or ambiguous.
    """
    registry = discover()
    entries = registry.entries
    kind, _, name = word.rpartition("/")
    kinds = [k for k in entries if name in entries[k] and kind in ("", k)]
    if len(kinds) == 1:
        return kinds[0], name, entries[kinds[0]][name].component
    if kinds:
        raise ConfigError(f"'{name}' is ambiguous ({' and '.join(kinds)}); use {' or '.join(f'{k}/{name}' for k in kinds)}")
    every = {n for k, known in entries.items() for n in known if kind in ("", k)}
    reasons = [line for k in entries if kind in ("", k) for line in registry.reasons(k, name)]
    raise ConfigError("\n".join(dict.fromkeys([f"unknown component '{word}'{did_you_mean(name, every)}", *reasons])))
