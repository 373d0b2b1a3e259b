"""Stacks to check: lone components that differ in every stackable option, and the stack of them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from math import prod
from typing import Any

import numpy as np

from framework.core.arrays import Array
from framework.core.context import Context
from framework.core.stacking import stack
from framework.testing.subjects import Differentiable, Inputs

LEADS: tuple[tuple[int, ...], ...] = ((), (1,), (3,), (2, 3))  # (1,) is that of a lone run
LARGEST = max(map(prod, LEADS))
LAW_TOLERANCE = 1e-10
Stacked = tuple[Any, list[Any], list[Inputs], Inputs]


def stacked(component: Any, about: Differentiable, lead: tuple[int, ...], only: str | None = None) -> Stacked:
    """A stack with replica axes `lead`: the component, its lone members, their inputs, and the stacked inputs.

    Members differ in every stackable option, or only in the one of that name.
    """
    lone = [varied(component, r, only) for r in range(prod(lead))]
    each = [about.draw(member, np.random.default_rng(r)) for r, member in enumerate(lone)]
    inputs = {name: np.stack([one[name] for one in each]).reshape(*lead, *each[0][name].shape) for name in each[0]}
    return merged(lone, lead), lone, each, inputs


def merged(lone: Sequence[Any], lead: tuple[int, ...]) -> Any:
    """The stack of lone components, its per-replica options in the shape of the replica axes."""
    return _reshaped(stack(lone), lead)


def varied(component: Any, r: int, only: str | None = None, path: str = "") -> Any:
    """The component with its stackable numbers moved by r small steps, inside their bounds."""
    if not is_dataclass(component) or isinstance(component, type):
        return component
    changes = {}
    for f in fields(component):
        value, here = getattr(component, f.name), f"{path}{f.name}"
        move = _move(f, value)
        if is_dataclass(value) and f.init:
            changes[f.name] = varied(value, r, only, f"{here}.")
        elif move and only in (None, here):
            changes[f.name] = move(r)
    return replace(component, **changes)


def stackable(component: Any, path: str = "") -> Iterator[str]:
    """The options in which replicas differ in the checks; `function.slope` for one of a component inside."""
    for f in fields(component) if is_dataclass(component) else ():
        value = getattr(component, f.name)
        if is_dataclass(value) and f.init:
            yield from stackable(value, f"{path}{f.name}.")
        elif _move(f, value):
            yield f"{path}{f.name}"


def _move(f: Any, value: Any) -> Callable[[int], float] | None:
    """r -> the option's value for replica r: all different, all inside the bounds."""
    if not f.metadata.get("stackable") or isinstance(value, bool) or not isinstance(value, int | float):
        return None
    whole: list[Callable[[int], float]] = [lambda r: value + r, lambda r: value - r]
    real: list[Callable[[int], float]] = [lambda r: value * 0.9**r, lambda r: value + 0.05 * r, lambda r: value - 0.05 * r]
    for move in [*(whole if isinstance(value, int) else []), *real]:
        values = [move(r) for r in range(LARGEST)]
        if len(set(values)) == LARGEST and all(inside(f, v) for v in values):
            return move
    return None


def inside(f: Any, value: float) -> bool:
    """Whether a number lies within the bounds that a field declares."""
    holds = {"above": operator.gt, "least": operator.ge, "below": operator.lt, "most": operator.le}
    return all(holds[rule](value, bound) for rule, bound in f.metadata.get("rules", {}).items())


def _reshaped(component: Any, lead: tuple[int, ...]) -> Any:
    if not is_dataclass(component) or isinstance(component, type):
        return component
    changes = {}
    for f in fields(component):
        value = getattr(component, f.name)
        if isinstance(value, np.ndarray):
            changes[f.name] = value.reshape(lead)
        elif is_dataclass(value) and f.init:
            changes[f.name] = _reshaped(value, lead)
    return replace(component, **changes)


def context(lead: tuple[int, ...], train: bool = True, step: int = 3) -> Context:
    """The kit's context: replica r in row-major order has key r."""
    return Context(replicas=lead, keys=tuple(range(prod(lead))), train=train, step=step, name="node")


def alone(r: int, train: bool = True) -> Context:
    """The context of replica r alone."""
    return context((), train).but(keys=(r,))


def equal(a: Array, b: Array, what: str, tolerance: float = LAW_TOLERANCE) -> None:
    """Reject arrays that differ by more than rounding: by the tolerance, times the largest number if that is above 1."""
    assert a.shape == b.shape, f"{what}: {a.shape} and {b.shape}"
    with np.errstate(all="ignore"):
        worst = float(np.max(np.abs(a - b), initial=0))
        size = float(np.max(np.abs(b), initial=1))
    assert worst <= tolerance * size or np.array_equal(a, b), f"{what} differs by {worst:.1e}"


def spread(a: Array, like: Array) -> Array:
    """An array with axes of length 1 repeated."""
    return np.broadcast_to(a, like.shape)
