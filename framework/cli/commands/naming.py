"""Reads what a verb is given: the name of a component, `adam` or `optimizer/adam`, and options `key=value`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from framework.core.errors import ConfigError, did_you_mean
from framework.core.reading import parse_yaml
from framework.registry.discovery import discover

TEXTS = ("title", "xlabel", "ylabel", "style")  # options whose value is a text, whatever it looks like


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


def options(given: Mapping[str, str]) -> dict[str, Any]:
    """The values of options, by key; `null` is no value.

    Raises:
        ConfigError: a value cannot be read.
    """
    return {key: value if key in TEXTS and value != "null" else parse_yaml(value, key) for key, value in given.items()}
