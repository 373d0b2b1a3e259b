"""Gradients against differences of the value."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.core.arrays import Array
from framework.core.context import Context
from framework.testing.subjects import Differentiable, Inputs, weighed

ROUNDING = 4e-16  # of a float64 number
H = 1e-6


def value(component: Any, about: Differentiable, inputs: Inputs, ctx: Context) -> Array:
    """The number per replica that is differentiated, without a backward pass."""
    output, _ = about.forward(component, inputs, ctx)
    return weighed(output, ctx)[0] if about.weighs else output


def compare(
    part: Any,
    about: Differentiable,
    inputs: Inputs,
    ctx: Context,
    what: str,
    names: list[str] | None = None,
    scale: float = 1,
    tolerance: float = 1e-6,
    straight: bool = False,
) -> None:
    """Every gradient, along one random direction, against the central difference with step 1e-6 scale. Where numbers are so
    large that the difference is rounded away, or infinite, nothing is compared. With `straight`, neither where the value
    does not change at all: that may be a straight-through gradient."""
    lead = len(ctx.replicas)
    grads = about.run(part, inputs, ctx).grads
    for name in names or about.differentiated(part, inputs):
        assert name in grads, f"no gradient for '{name}'"
        h = H / scale**2 if name.startswith("p.") else H * scale  # a tensor is multiplied by the large numbers
        direction = np.random.default_rng(7).standard_normal(inputs[name].shape)
        up, down = (value(part, about, inputs | {name: inputs[name] + s * direction}, ctx) for s in (h, -h))
        numeric = (up - down) / (2 * h)
        assert grads[name].shape == direction.shape, f"{what}: the gradient of '{name}' is {grads[name].shape}"
        analytic = (grads[name] * direction).sum(tuple(range(lead, direction.ndim)))
        known = np.isfinite(numeric) & np.isfinite(up + down) & ((numeric != 0) | (not straight))
        noise = 100 * ROUNDING * (np.abs(up) + np.abs(down)) / h if scale != 1 else 0
        allowed = tolerance * (np.abs(numeric) + np.abs(analytic) + 1e-3) + noise
        errors = np.ravel(np.where(known, np.abs(numeric - analytic) / np.where(known, allowed, 1), 0))
        worst = int(np.argmax(errors))
        given, expected = (float(np.ravel(a)[worst]) for a in (analytic, numeric))
        message = f"gradient of '{name}'{what}: {given:.9g} where differences give {expected:.9g}"
        assert errors[worst] <= 1, message


def compare_at_zero(part: Any, about: Differentiable, inputs: Inputs, ctx: Context, name: str, kinks: bool) -> None:
    """The derivatives by some numbers of an input of zeros: that of both sides, or, where they differ and `kinks` is true,
    one in between."""
    at = inputs | {name: np.zeros_like(inputs[name])}
    grad = about.run(part, at, ctx).grads[name]
    places = np.random.default_rng(5).choice(grad.size, min(grad.size, 4), replace=False)
    middle = float(value(part, about, at, ctx))
    for place in map(int, places):
        slopes = [_slope(part, about, at, ctx, name, place, h, middle) for h in (1e-6, -1e-6, 1e-5, -1e-5)]
        right, left, far_right, far_left = slopes
        slack = 1e-4 * (1 + max(map(abs, slopes)))
        smooth = abs(right - far_right) < slack and abs(left - far_left) < slack  # else no derivative on a side
        if not np.isfinite(slopes).all() or not smooth or (abs(right - left) > slack and not kinks):
            continue
        given, (low, high) = float(grad.flat[place]), sorted((left, right))
        message = f"gradient of '{name}' where it is 0: {given:.6g} where the differences of both sides give {low:.6g}"
        assert low - slack <= given <= high + slack, f"{message} and {high:.6g}"


def _slope(
    part: Any, about: Differentiable, inputs: Inputs, ctx: Context, name: str, place: int, h: float, middle: float
) -> float:
    moved = inputs[name].copy()
    moved.flat[place] += h
    return float(value(part, about, inputs | {name: moved}, ctx) - middle) / h
