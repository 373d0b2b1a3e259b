"""Merging R lone components into one that trains R networks, and dropping the replicas that have stopped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np

from framework.core.arrays import Array, to_host


class CannotStackError(ValueError):
    """Two components differ in an option that all replicas of a stack must share."""


def stack(parts: Sequence[Any], path: str = "") -> Any:
    """Merge R lone components (or mappings, tuples and values of them) into one.

    Equal values stay unchanged. A differing number in a field declared `stackable` becomes an array of shape (R,). So does
    a differing string, which only `init` may read, one replica at a time.

    Raises:
        CannotStackError: names the first differing field that is not stackable.
    """
    first = parts[0]
    if all(part is first for part in parts):
        return first
    if all(isinstance(part, int | float) and not isinstance(part, bool) and part == first for part in parts):
        return first
    if any(isinstance(part, np.ndarray) for part in parts):
        raise CannotStackError(f"{path}: this is already a stack; stack lone components only")
    if any(type(part) is not type(first) for part in parts):
        raise CannotStackError(
            f"{path or 'components'}: {' and '.join(sorted({type(p).__name__ for p in parts}))} cannot share a stack"
        )
    if is_dataclass(first) and not isinstance(first, type):
        return replace(
            first, **{f.name: _field(f, [getattr(p, f.name) for p in parts], path) for f in fields(first) if f.init}
        )
    if isinstance(first, Mapping):
        if any(list(p) != list(first) for p in parts):
            raise CannotStackError(f"{path}: the names differ")
        return {key: stack([p[key] for p in parts], _join(path, key)) for key in first}
    if isinstance(first, tuple):
        if any(len(p) != len(first) for p in parts):
            raise CannotStackError(f"{path}: the lengths differ")
        return tuple(stack(values, f"{path}[{i}]") for i, values in enumerate(zip(*parts, strict=True)))
    if all(part == first for part in parts):
        return first
    raise CannotStackError(f"{path}: {_distinct(parts)} differ, but this option is not stackable")


def _field(f: Any, values: list[Any], path: str) -> Any:
    path = _join(path, f.name)
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    alike = numbers or all(isinstance(v, str | None) for v in values)
    if f.metadata.get("stackable") and alike and any(v != values[0] for v in values):
        return np.array(values)
    return stack(values, path)


def keep_replicas(tree: Any, keep: Array) -> Any:
    """Select replicas (indices or booleans of the first axis) of an array, a component, or a mapping or tuple of
    them. An axis of length 1 is shared by all replicas and stays. Strings stay on the host; `keep` may be on a device."""
    if is_dataclass(tree) and not isinstance(tree, type):
        return replace(tree, **{f.name: _kept(f, getattr(tree, f.name), keep) for f in fields(tree) if f.init})
    if isinstance(tree, Mapping):
        return {key: keep_replicas(value, keep) for key, value in tree.items()}
    if isinstance(tree, tuple):
        return tuple(keep_replicas(value, keep) for value in tree)
    if hasattr(tree, "ndim") and tree.ndim and tree.shape[0] > 1:
        return tree[to_host(keep) if isinstance(tree, np.ndarray) else keep]
    return tree


def to_device(tree: Any, xp: Any) -> Any:
    """A component with its per-replica options on the device; for NumPy, on the host."""
    if is_dataclass(tree) and not isinstance(tree, type):
        return replace(tree, **{f.name: to_device(getattr(tree, f.name), xp) for f in fields(tree) if f.init})
    if isinstance(tree, Mapping):
        return {key: to_device(value, xp) for key, value in tree.items()}
    if isinstance(tree, tuple):
        return tuple(to_device(value, xp) for value in tree)
    if xp is np:
        return to_host(tree) if hasattr(tree, "ndim") else tree
    return xp.asarray(tree) if isinstance(tree, np.ndarray) and tree.dtype.kind in "biuf" else tree


def _kept(f: Any, value: Any, keep: Array) -> Any:
    is_array = hasattr(value, "ndim")
    return value if is_array and not f.metadata.get("stackable") else keep_replicas(value, keep)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _distinct(values: Sequence[Any]) -> str:
    seen: list[str] = []
    for v in values:
        if repr(v) not in seen:
            seen.append(repr(v))
    return ", ".join(seen[:3]) + (" ..." if len(seen) > 3 else "")
