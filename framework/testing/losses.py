"""Checks that apply to losses only, or to regularizers only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from framework.core.arrays import Array
from framework.core.context import Context
from framework.testing.differentiable import check_gradient
from framework.testing.stacks import LEADS, alone, context, equal, stacked
from framework.testing.subjects import Differentiable, Inputs, by_source, of_loss, outputs, reads_probabilities

TARGETS = ("real", "label", "columns", "binary")


def check_mask(loss: Any, about: Differentiable) -> None:
    """A mask holds the weights of the examples: 1 has no effect, 0 leaves an example out, 2 counts it twice."""
    inputs, ctx = _drawn(about, loss), context(())
    n = next(iter(inputs.values())).shape[0]
    _masked_counts_for_nothing(loss, inputs, ctx)
    value, dys = _evaluated(loss, inputs, ctx, np.zeros(n))
    assert np.isfinite(value).all(), "a mask of zeros gives a non-finite loss"
    assert all(np.isfinite(dy).all() for dy in dys.values()), "a mask of zeros gives a non-finite gradient"
    if getattr(loss, "reduction", "mean") in ("mean", "sum"):
        weights = np.ones(n)
        weights[-1] = 0
        shorter = _evaluated(loss, _rows(inputs, slice(-1)), ctx)[0]
        equal(_evaluated(loss, inputs, ctx, weights)[0], shorter, "a masked example")
        weights = np.ones(n)
        weights[0] = 2
        twice = _evaluated(loss, _rows(inputs, [0, *range(n)]), ctx)[0]
        equal(_evaluated(loss, inputs, ctx, weights)[0], twice, "an example of weight 2")


def _drawn(about: Differentiable, loss: Any) -> Inputs:
    """Outputs and targets of one replica, without a mask."""
    inputs = about.draw(loss, np.random.default_rng(0))
    return {name: a for name, a in inputs.items() if name != "mask"}


def _evaluated(loss: Any, inputs: Inputs, ctx: Context, mask: Array | None = None) -> tuple[Array, Inputs]:
    """The value, and dy by the name of its output."""
    value, dy = loss(outputs(inputs), inputs.get("t"), ctx, mask)
    return np.asarray(value), by_source(dy)


def _rows(inputs: Inputs, rows: Any) -> Inputs:
    """Some of the examples."""
    return {name: a[rows] for name, a in inputs.items()}


def _masked_counts_for_nothing(loss: Any, inputs: Inputs, ctx: Context) -> None:
    core = next(iter(inputs.values())).shape[:-1]  # of an output
    value, dys = _evaluated(loss, inputs, ctx)
    value_of_ones, dys_of_ones = _evaluated(loss, inputs, ctx, np.ones(core))
    equal(value, value_of_ones, "the value with a mask of ones")
    for name, dy in dys.items():
        equal(dy, dys_of_ones[name], f"d{name} with a mask of ones")
    mask = np.random.default_rng(3).uniform(0.5, 2, core)
    mask[..., -2:] = 0
    changed = {n: np.where(mask[..., None] > 0, a, _another(loss, a)) for n, a in inputs.items() if n != "t"}
    value, dys = _evaluated(loss, inputs, ctx, mask)
    other, other_dys = _evaluated(loss, inputs | changed, ctx, mask)
    equal(value, other, "the value, although only masked outputs changed,")
    for name, dy in dys.items():
        equal(dy, other_dys[name], f"d{name}, although only masked outputs changed,")
        assert not dy[..., -2:, :].any(), "a masked example has a gradient"


def _another(loss: Any, y: Array) -> Array:
    """Other outputs of the kind that the loss reads."""
    return (1 - y) / max(1, y.shape[-1] - 1) if reads_probabilities(loss) else y + 3


def check_sequence(loss: Any, about: Differentiable) -> None:
    """Outputs with a time axis (..., T, N, F) and a mask (..., T, N), unless the loss rejects them with a ValueError."""
    subject, ctx = of_loss(None, time=True), context(())
    inputs = _drawn(subject, loss)
    try:
        _evaluated(loss, inputs, ctx)
    except ValueError:
        return
    check_gradient(loss, subject)
    _masked_counts_for_nothing(loss, inputs, ctx)
    if getattr(loss, "reduction", "mean") in ("mean", "sum"):
        kept = np.random.default_rng(4).uniform(size=next(iter(inputs.values())).shape[:-1]) < 0.6
        value = _evaluated(loss, inputs, ctx, kept.astype(float))[0]
        steps = _evaluated(loss, _rows(inputs, kept), ctx)[0]
        equal(value, steps, "a mask over time, against the unmasked steps only,")


def check_targets(loss: Any, about: Differentiable) -> None:
    """The loss accepts every kind of target that it declares."""
    for kind in loss.targets:
        if kind in TARGETS:
            check_gradient(loss, of_loss(None, kind))


def check_predict(loss: Any, about: Differentiable) -> None:
    """The prediction keeps replica axes, examples and dtype, and changes nothing; replicas are independent."""
    for lead in LEADS:
        part, lone, each, inputs = stacked(loss, about, lead)
        y, before = by_source(outputs(inputs)), by_source(outputs({name: a.copy() for name, a in inputs.items()}))
        s, shape = part.predict(outputs(inputs), context(lead)), next(iter(y.values())).shape
        assert all(np.array_equal(a, before[name]) for name, a in y.items()), "predict modified y"
        assert s.shape[: len(lead) + 1] == shape[: len(lead) + 1], f"outputs {shape} became predictions {s.shape}"
        for r, (member, one) in enumerate(zip(lone, each, strict=True)):
            equal(s[np.unravel_index(r, lead)], member.predict(outputs(one), alone(r)), f"prediction of replica {r}")
    single = outputs({name: a.astype(np.float32) for name, a in y.items()})
    assert part.predict(single, context(lead)).dtype == np.float32, "predictions of float32 are not float32"


def check_tensors(regularizer: Any, about: Differentiable) -> None:
    """A regularizer has the option `tensors`, which selects tensors by name."""
    assert isinstance(getattr(regularizer, "tensors", None), str), (
        'the option tensors is missing; add tensors: str = option("W", ...), the first letters of tensor names'
    )


def check_after(regularizer: Any, about: Differentiable) -> None:
    """after works in place, with a learning rate per replica (..., 1, 1) or a float; replicas are independent."""
    for lead in LEADS:
        part, lone, each, inputs = stacked(regularizer, about, lead)
        lr = np.linspace(0.1, 0.3, len(lone)).reshape(*lead, 1, 1)
        W, given = inputs["W"].copy(), lr.copy()
        assert part.after(W, lr, context(lead)) is None, "after works in place; it must return None"
        assert np.array_equal(lr, given), "after modified the learning rate"
        for r, (member, one) in enumerate(zip(lone, each, strict=True)):
            single, at = one["W"].copy(), np.unravel_index(r, lead)
            member.after(single, lr[at].item(), alone(r))
            equal(W[at], single, f"W of replica {r}")


LOSS: Mapping[str, Callable[[Any, Differentiable], None]] = {"mask": check_mask, "sequence": check_sequence}
LOSS_OFFERED: Mapping[str, Callable[[Any, Differentiable], None]] = {"targets": check_targets, "predict": check_predict}
REGULARIZER: Mapping[str, Callable[[Any, Differentiable], None]] = {"tensors": check_tensors}
REGULARIZER_OFFERED: Mapping[str, Callable[[Any, Differentiable], None]] = {"after": check_after}
