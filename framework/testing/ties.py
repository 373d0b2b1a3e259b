"""The gradient where inputs are equal: a maximum of equal numbers has several right gradients, but not the sum of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.core.arrays import Array
from framework.testing.stacks import context, stacked
from framework.testing.subjects import Differentiable

OUTPUTS, STEP = 6, 1e-6


def check_ties(component: Any, about: Differentiable) -> None:
    """With inputs of -1, 0 and 1 only, of which many are equal, the gradient of an output along a direction is one of the
    slopes on both sides, or in between. At such a tie any of the equal numbers may get the gradient, or all their share.

    Cannot see: ties of other numbers; an output that is the difference of two maxima may fail, and is declared.
    """
    if "gradient" in about.excused:  # a straight-through gradient is no slope
        return
    part, _, _, inputs = stacked(component, about, ())
    real = [name for name in about.differentiated(part, inputs) if name.startswith("x")]
    rng, ctx = np.random.default_rng(3), context(())
    inputs = inputs | {name: rng.integers(-1, 2, inputs[name].shape).astype(float) for name in real}
    y, cache = about.forward(part, inputs, ctx)
    for place in map(int, rng.choice(y.size, min(y.size, OUTPUTS), replace=False)):
        dy = np.zeros(y.shape)
        dy.flat[place] = 1
        grads = about.backward(part, inputs, cache, dy, ctx)
        for name in real:
            shape = inputs[name].shape
            for direction in (np.ones(shape), rng.integers(0, 2, shape), rng.standard_normal(shape)):
                _between(part, about, inputs, name, direction, float((grads[name] * direction).sum()), place)


def _between(part: Any, about: Differentiable, inputs: Any, name: str, direction: Array, given: float, place: int) -> None:
    def slope(h: float) -> float:
        moved, here = (about.forward(part, inputs | {name: inputs[name] + s * direction}, context(()))[0] for s in (h, 0))
        return float(moved.flat[place] - here.flat[place]) / h

    right, left, far_right, far_left = (slope(h) for h in (STEP, -STEP, 10 * STEP, -10 * STEP))
    slack = 1e-4 * (1 + max(abs(right), abs(left)))
    if not np.isfinite([right, left]).all() or abs(right - far_right) > slack or abs(left - far_left) > slack:
        return  # no slope on a side
    low, high = sorted((left, right))
    message = (
        f"gradient of '{name}' with equal inputs: {given:.6g} where the slopes of both sides are {low:.6g} and {high:.6g}"
    )
    assert low - slack <= given <= high + slack, message
