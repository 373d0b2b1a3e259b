"""How a person names a component: `adam`, or `optimizer/adam` where the name alone is not clear."""

from __future__ import annotations

from typing import Any

from framework.core.errors import ConfigError, did_you_mean
from framework.registry.discovery import discover


def find(word: str) -> tuple[str, str, Any]:
    """Kind, name and class.

    Raises:
        ConfigError: no component has that name, or several have.
    """
    entries = discover().entries
    kind, _, name = word.rpartition("/")
    kinds = [k for k in entries if name in entries[k] and kind in ("", k)]
    if len(kinds) == 1:
        return kinds[0], name, entries[kinds[0]][name].component
    if kinds:
        raise ConfigError(f"'{name}' is {' and '.join(kinds)}; say {' or '.join(f'{k}/{name}' for k in kinds)}")
    every = {n for k, known in entries.items() for n in known if kind in ("", k)}
    raise ConfigError(f"no component '{word}'{did_you_mean(name, every)}")
