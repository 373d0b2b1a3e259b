"""Checks that apply to activations only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from framework.testing.batches import check_axes, check_evaluation, check_over_batch
from framework.testing.chance import check_linear
from framework.testing.stacks import context, stacked
from framework.testing.subjects import Differentiable
from framework.testing.ties import check_ties

FAR = 1000.0


def check_output(activation: Any, about: Differentiable) -> None:
    """The output has the shape of the input. What is declared holds: probabilities, the two values at which it saturates,
    the place.

    Cannot see: an activation that saturates and does not say where.
    """
    part, _, _, inputs = stacked(activation, about, (3,))
    x, ctx = inputs["x"], context((3,), train=False)
    with np.errstate(all="ignore"):
        y, left, right = (about.forward(part, {"x": a}, ctx)[0] for a in (x, x * 0 - FAR, x * 0 + FAR))
    assert y.shape == x.shape, f"the output of {x.shape} is {y.shape}; an activation is elementwise"
    kind, place = getattr(activation, "outputs", "raw"), getattr(activation, "place", "hidden")
    assert kind in ("probability", "raw"), f"outputs is {kind!r}; it may be 'probability' or 'raw'"
    assert place in ("hidden", "output"), f"place is {place!r}; it may be 'hidden' or 'output'"
    if kind == "probability":
        assert ((y >= 0) & (y <= 1)).all(), "outputs are declared probabilities, but some lie outside 0 ... 1"
    if hasattr(activation, "bounds"):
        low, high = activation.bounds
        found = sorted((float(left.mean()), float(right.mean())))
        what = f"bounds are {low:g} and {high:g}, but the outputs of -{FAR:g} and {FAR:g} are {found[0]:g} and {found[1]:g}"
        assert np.allclose(found, (low, high), atol=1e-2), what


ACTIVATION: Mapping[str, Callable[[Any, Differentiable], None]] = {
    "linear": check_linear,
    "output": check_output,
    "axes": check_axes,
    "evaluation": check_evaluation,
    "over_batch": check_over_batch,
    "ties": check_ties,
}
