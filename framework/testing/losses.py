"""What only losses promise, and what only regularizers do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from framework.arrays import Array
from framework.context import Context
from framework.testing.differentiable import check_gradient
from framework.testing.stacks import LEADS, alone, context, equal, stacked
from framework.testing.subjects import Differentiable, of_loss

TARGETS = ("real", "label", "columns", "binary")


def check_mask(loss: Any, about: Differentiable) -> None:
    """A mask holds the weights of the examples: 1 is none, 0 counts for nothing, 2 is an example twice."""
    inputs, ctx = about.draw(loss, np.random.default_rng(0)), context(())
    y, t = inputs["y"], inputs["t"]
    _masked_counts_for_nothing(loss, y, t, ctx)
    value, dy = loss(y, t, ctx, _first(y, 0))
    assert np.isfinite(value).all(), "a mask of zeros gives no number"
    assert np.isfinite(dy).all(), "a mask of zeros gives a gradient that is not finite"
    if getattr(loss, "reduction", "mean") in ("mean", "sum"):
        equal(loss(y, t, ctx, _first(y, y.shape[0] - 1))[0], loss(y[:-1], t[:-1], ctx)[0], "a masked example")
        twice = [0, *range(y.shape[0])]
        weights = np.ones(y.shape[0])
        weights[0] = 2
        equal(loss(y, t, ctx, weights)[0], loss(y[twice], t[twice], ctx)[0], "an example of weight 2")


def _masked_counts_for_nothing(loss: Any, y: Array, t: Array, ctx: Context) -> None:
    for a, b in zip(loss(y, t, ctx), loss(y, t, ctx, np.ones(y.shape[:-1])), strict=True):
        equal(np.asarray(a), np.asarray(b), "a mask of ones")
    mask = np.random.default_rng(3).uniform(0.5, 2, y.shape[:-1])
    mask[..., -2:] = 0
    value, dy = loss(y, t, ctx, mask)
    other, other_dy = loss(np.where(mask[..., None] > 0, y, y + 3), t, ctx, mask)
    equal(np.asarray(value), np.asarray(other), "the value, although only masked outputs changed,")
    equal(dy, other_dy, "dy, although only masked outputs changed,")
    assert not dy[..., -2:, :].any(), "a masked example has a gradient"


def _first(y: Array, n: int) -> Array:
    """A mask of the first n examples."""
    return (np.arange(y.shape[0]) < n).astype(float)


def check_sequence(loss: Any, about: Differentiable) -> None:
    """Outputs with a time axis (..., T, N, F) and a mask (..., T, N), unless the loss refuses them with a ValueError."""
    subject, ctx = of_loss(None, time=True), context(())
    inputs = subject.draw(loss, np.random.default_rng(0))
    y, t = inputs["y"], inputs["t"]
    try:
        loss(y, t, ctx)
    except ValueError:
        return
    check_gradient(loss, subject)
    _masked_counts_for_nothing(loss, y, t, ctx)
    if getattr(loss, "reduction", "mean") in ("mean", "sum"):
        kept = np.random.default_rng(4).uniform(size=y.shape[:-1]) < 0.6
        value, _ = loss(y, t, ctx, kept.astype(float))
        equal(value, loss(y[kept], t[kept], ctx)[0], "a mask over time, against the unmasked steps alone,")


def check_targets(loss: Any, about: Differentiable) -> None:
    """Every kind of target that the loss says it takes."""
    for kind in loss.targets:
        if kind in TARGETS:
            check_gradient(loss, of_loss(None, kind))


def check_predict(loss: Any, about: Differentiable) -> None:
    """The prediction keeps replica axes, examples and dtype, changes nothing, and is each replica's own."""
    for lead in LEADS:
        part, lone, each, inputs = stacked(loss, about, lead)
        y, before = inputs["y"], inputs["y"].copy()
        s = part.predict(y, context(lead))
        assert np.array_equal(y, before), "predict modified y"
        assert s.shape[: len(lead) + 1] == y.shape[: len(lead) + 1], f"outputs {y.shape} became predictions {s.shape}"
        for r, (member, one) in enumerate(zip(lone, each, strict=True)):
            equal(s[np.unravel_index(r, lead)], member.predict(one["y"], alone(r)), f"prediction of replica {r}")
    assert part.predict(y.astype(np.float32), context(lead)).dtype == np.float32, "predictions of float32 are not float32"


def check_tensors(regularizer: Any, about: Differentiable) -> None:
    """It says which tensors it acts on."""
    assert isinstance(getattr(regularizer, "tensors", None), str), (
        'there is no option tensors; write tensors: str = option("W", ...): it acts on tensors whose name begins so'
    )


def check_after(regularizer: Any, about: Differentiable) -> None:
    """In place after the update, with a learning rate per replica (..., 1) or one number; each replica by itself."""
    for lead in LEADS:
        part, lone, each, inputs = stacked(regularizer, about, lead)
        lr = np.linspace(0.1, 0.3, len(lone)).reshape(*lead, 1)
        W, given = inputs["W"].copy(), lr.copy()
        assert part.after(W, lr, context(lead)) is None, "after works in place, it returns nothing"
        assert np.array_equal(lr, given), "after modified the learning rate"
        for r, (member, one) in enumerate(zip(lone, each, strict=True)):
            single, at = one["W"].copy(), np.unravel_index(r, lead)
            member.after(single, float(lr[at][0]), alone(r))
            equal(W[at], single, f"W of replica {r}")


LOSS: Mapping[str, Callable[[Any, Differentiable], None]] = {"mask": check_mask, "sequence": check_sequence}
LOSS_OFFERED: Mapping[str, Callable[[Any, Differentiable], None]] = {"targets": check_targets, "predict": check_predict}
REGULARIZER: Mapping[str, Callable[[Any, Differentiable], None]] = {"tensors": check_tensors}
REGULARIZER_OFFERED: Mapping[str, Callable[[Any, Differentiable], None]] = {"after": check_after}
