"""The differences between a configuration and the defaults: a short description of a run."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field
from typing import Any

from framework.config.composition import CHECKS, COMPOSING, ValidatingConfigLoader, compose
from framework.core.options import declared
from framework.registry.discovery import discover
from framework.tracking.naming import KEYS as ABOUT
from framework.tracking.naming import format_value as format_value

# Where a run is recorded, its name, and what is shown of it do not change the training.
LEFT_OUT = ("tracking", "figure", "plugins", *ABOUT)


def differences(tree: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Key, value, default: of every value that differs from the configuration without overrides. A replaced component is
    compared with its own defaults."""
    changed = {key: value for key, value in tree.items() if key not in LEFT_OUT}
    return [(key, format_value(value), default) for key, value, default in _walk(changed, defaults(), "")]


@functools.cache
def defaults() -> Mapping[str, Any]:
    """The configuration of the bare command, also while Hydra runs another one, whose state is left as it is."""
    from hydra.core.global_hydra import GlobalHydra

    with COMPOSING:
        state, checks, runs = GlobalHydra.instance(), list(CHECKS), ValidatingConfigLoader.runs
        before, state.hydra = state.hydra, None
        try:
            return compose([]).tree
        finally:
            state.hydra, CHECKS[:], ValidatingConfigLoader.runs = before, checks, runs


def _walk(tree: Mapping[str, Any], usual: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any, str]]:
    here_too = tree.get("type") == usual.get("type")
    usual = {**own_defaults(tree.get("type")), **(usual if here_too else {k: v for k, v in usual.items() if k == "type"})}
    for key, value in tree.items():
        here = f"{path}.{key}" if path else str(key)
        if isinstance(value, Mapping):
            yield from _walk(value, usual[key] if isinstance(usual.get(key), Mapping) else {}, here)
        elif key not in usual:
            yield here, value, ""
        elif value != usual[key]:
            yield here, value, format_value(usual[key])


def own_defaults(name: Any) -> dict[str, Any]:
    """The defaults that a component declares; empty if no component has that name now."""
    found = [known[name].component for known in discover().entries.values() if name in known]
    return {n: f.default for component in found for n, (_, f) in declared(component).items() if _is_plain(f)}


def _is_plain(field: Field[Any]) -> bool:
    return field.default is not MISSING and not callable(field.default)
