"""Checks with numbers that a standard normal distribution does not draw: zeros, thousands, and float32."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.core.arrays import Array
from framework.core.context import Context
from framework.testing.differences import compare, compare_at_zero
from framework.testing.members import everything
from framework.testing.stacks import context, stacked
from framework.testing.subjects import Differentiable, Inputs, reads_probabilities

LARGE, HUGE, APART = 100.0, 1000.0, 1e4
STEP_OF_FLOAT32 = 6e-8
MODES = (True, False)


def check_numbers(component: Any, about: Differentiable) -> None:
    """Zeros and numbers up to 1000 give no NaN, and the gradients of differences; weights of 0 and y = t too.

    Cannot see: a mistake for numbers that lie elsewhere, or at a kink inside a layer.
    """
    part, _, _, inputs = stacked(component, about, ())
    for train in MODES:
        ctx = context((), train)
        for what, given in _extremes(component, about, inputs).items():
            _no_nan(part, about, given, ctx, what)
    if "gradient" not in about.excused and not _reads_probabilities(component, about):
        _differences(part, about, inputs)


def _differences(part: Any, about: Differentiable, inputs: Inputs) -> None:
    ctx, names = context(()), about.differentiated(part, inputs)
    with np.errstate(all="ignore"):
        for scale in (30.0, HUGE):
            large = inputs | {name: inputs[name] * scale for name in _data(part, about, inputs)}
            compare(part, about, large, ctx, f" for inputs around {scale:g}", names, scale**0.5, 1e-4)
        for name in names:
            if _reaches_zero(part, about, name, inputs):
                compare_at_zero(part, about, inputs, ctx, name, kinks=about.kind in ("activation", "regularizer"))


def check_precision(component: Any, about: Differentiable) -> None:
    """float32 gives the values of float64 up to rounding, also for large numbers and far from 0.

    Cannot see: digits lost in small numbers beside large ones; a loss of digits below 1 % there.
    """
    part, _, _, inputs = stacked(component, about, ())
    data = _data(component, about, inputs)
    cases = {"": inputs}
    if not _reads_probabilities(component, about):
        cases |= {f" for inputs around {LARGE:g}": inputs | {name: inputs[name] * LARGE for name in data}}
        cases |= {f" for inputs near {APART:g}": inputs | {name: inputs[name] + APART for name in data}}
    for what, given in cases.items():
        single = {name: a.astype(np.float32) if a.dtype == np.float64 else a for name, a in given.items()}
        exact = {name: a.astype(np.float64) if a.dtype == np.float32 else a for name, a in single.items()}
        rng = np.random.default_rng(2)
        moved = {
            name: a * (1 + STEP_OF_FLOAT32 * rng.choice((-1, 1), a.shape)) if a.dtype == np.float64 and name in data else a
            for name, a in exact.items()
        }
        with np.errstate(all="ignore"):
            got, wanted, beside = (everything(part, about, each, context(())) for each in (single, exact, moved))
            for name, a in wanted.items():
                _near(
                    np.asarray(got[name]), np.asarray(a), np.asarray(beside[name]), f"{name}{what}", 1e-2 if what else 1e-4
                )


def _near(got: Array, wanted: Array, beside: Array, what: str, tolerance: float) -> None:
    """float32 beside float64; `beside` is what float64 gives if the inputs are rounded in another way."""
    if not np.isfinite(wanted).all() or np.abs(wanted).max(initial=0) > 1e37:
        return  # more than float32 can hold
    allowed = tolerance * np.abs(wanted).max(initial=0) + 1e-6 + 30 * np.abs(beside - wanted).max(initial=0)
    worst = float(np.abs(got - wanted).max(initial=0))
    assert worst <= allowed, f"{what}: float32 differs from float64 by {worst:.2g}, {np.abs(wanted).max():.2g} at most"


def _data(component: Any, about: Differentiable, inputs: Inputs) -> list[str]:
    """What is not a layer's or a cell's tensor."""
    return [name for name in about.differentiated(component, inputs) if not name.startswith("p.")]


def _reaches_zero(component: Any, about: Differentiable, name: str, inputs: Inputs) -> bool:
    """Whether 0 is a usual value: of data, and of tensors whose initial values have both signs, or are 0."""
    if not name.startswith("p."):
        return True
    start = component.init(np.random.default_rng(0), *([] if about.in_shape is None else [about.in_shape]))
    a = (start[0] if isinstance(start, tuple) else start)[name[2:]]
    return bool((a < 0).any() and (a > 0).any()) or not a.any()


def _extremes(component: Any, about: Differentiable, inputs: Inputs) -> dict[str, Inputs]:
    data = _data(component, about, inputs)
    if _reads_probabilities(component, about):
        return {"where a probability is 0 or 1": inputs | {name: _sure(a) for name, a in _of(inputs, data)}}
    cases = {"where all inputs are 0": inputs | {name: a * 0 for name, a in _of(inputs, data)}}
    for far in (HUGE, -HUGE):
        cases[f"where inputs are around {far:g}"] = inputs | {name: a * far for name, a in _of(inputs, data)}
        cases[f"where all inputs are {far:g}"] = inputs | {name: a * 0 + far for name, a in _of(inputs, data)}
    for name in about.differentiated(component, inputs):
        if name.startswith("p.") and _reaches_zero(component, about, name, inputs):
            cases[f"where '{name[2:]}' is 0"] = inputs | {name: inputs[name] * 0}
    if "t" in inputs and inputs["t"].dtype.kind == "f" and inputs["t"].shape == inputs.get("y", inputs["t"][:0]).shape:
        cases["where y = t"] = inputs | {"y": inputs["t"].copy()}
    return cases


def _reads_probabilities(component: Any, about: Differentiable) -> bool:
    """Whether it is a loss whose inputs lie between 0 and 1; an activation says the same of its outputs."""
    return about.kind == "loss" and reads_probabilities(component)


def _sure(a: Array) -> Array:
    """Probabilities of 0 and 1."""
    return np.eye(a.shape[-1])[np.argmax(a, -1)] if a.shape[-1] > 1 else np.round(a)


def _of(inputs: Inputs, names: list[str]) -> list[tuple[str, Array]]:
    return [(name, inputs[name]) for name in names]


def _no_nan(part: Any, about: Differentiable, given: Inputs, ctx: Context, what: str) -> None:
    with np.errstate(all="ignore"):
        found = everything(part, about, given, ctx)
    for name, a in found.items():
        assert not np.isnan(np.asarray(a)).any(), f"{name} is NaN {what}"
