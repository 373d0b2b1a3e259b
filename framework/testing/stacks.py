"""Stacks to check: lone components that differ in every stackable option, and the stack of them."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from math import prod
from typing import Any

import numpy as np

from framework.arrays import Array
from framework.context import Context
from framework.stacking import stack
from framework.testing.subjects import Differentiable, Inputs

LEADS: tuple[tuple[int, ...], ...] = ((), (3,), (2, 3))
LAW_TOLERANCE = 1e-10


def stacked(component: Any, about: Differentiable, lead: tuple[int, ...]) -> tuple[Any, list[Any], list[Inputs], Inputs]:
    """A stack with replica axes `lead`: the component, its lone members, their inputs, and the stacked inputs.

    Members differ in every stackable option.
    """
    R = prod(lead)
    lone = [varied(component, r) for r in range(R)]
    each = [about.draw(member, np.random.default_rng(r)) for r, member in enumerate(lone)]
    inputs = {name: np.stack([one[name] for one in each]).reshape(*lead, *each[0][name].shape) for name in each[0]}
    return _reshaped(stack(lone), lead), lone, each, inputs


def varied(component: Any, r: int) -> Any:
    """The component with its stackable numbers moved by r small steps, inside their bounds."""
    if not is_dataclass(component) or isinstance(component, type):
        return component
    changes = {}
    for f in fields(component):
        value = getattr(component, f.name)
        if is_dataclass(value) and f.init:
            changes[f.name] = varied(value, r)
        elif f.metadata.get("stackable") and isinstance(value, float):
            changes[f.name] = value * 0.9**r
    return replace(component, **changes)


def _reshaped(component: Any, lead: tuple[int, ...]) -> Any:
    changes = {}
    for f in fields(component):
        value = getattr(component, f.name)
        if isinstance(value, np.ndarray):
            changes[f.name] = value.reshape(lead)
        elif is_dataclass(value):
            changes[f.name] = _reshaped(value, lead)
    return replace(component, **changes)


def context(lead: tuple[int, ...], train: bool = True, step: int = 3) -> Context:
    """The kit's context: replica r in row-major order has key r."""
    return Context(replicas=lead, keys=tuple(range(prod(lead))), train=train, step=step, name="node")


def equal(a: Array, b: Array, what: str) -> None:
    """Refuse arrays that differ by more than rounding."""
    assert a.shape == b.shape, f"{what}: {a.shape} and {b.shape}"
    worst = float(np.max(np.abs(a - b), initial=0))
    assert worst <= LAW_TOLERANCE, f"{what} differs by {worst:.1e}"


def spread(a: Array, like: Array) -> Array:
    """An array with length-1 axes written out."""
    return np.broadcast_to(a, like.shape)
