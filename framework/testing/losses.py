"""Checks that apply to losses only, or to regularizers only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from framework.core.arrays import Array
from framework.core.context import Context
from framework.testing.batches import check_batches, check_size
from framework.testing.differentiable import check_gradient
from framework.testing.memory import others
from framework.testing.stacks import LEADS, alone, context, equal, stacked
from framework.testing.subjects import Differentiable, Inputs, by_source, of_loss, outputs, reads_probabilities

TARGETS = ("real", "label", "columns", "binary")


def check_mask(loss: Any, about: Differentiable) -> None:
    """A mask holds the weights of the examples: 1 has no effect, 0 leaves an example out, 2 counts it twice; in small and in
    larger batches. A mask of zeros gives finite numbers.

    Cannot see: other reductions than mean and sum over examples; targets of other kinds than the first (see `targets`).
    """
    for n in (about.sizes.n, 1, 20):
        _mask_of(loss, about.resized(n=n), n)


def _mask_of(loss: Any, about: Differentiable, n: int) -> None:
    inputs, ctx = _drawn(about, loss), context(())
    _masked_counts_for_nothing(loss, inputs, ctx)
    with np.errstate(all="ignore"):  # the result is checked
        value, dys = _evaluated(loss, inputs, ctx, np.zeros(n))
    assert np.isfinite(value).all(), "a mask of zeros gives a non-finite loss"
    assert all(np.isfinite(dy).all() for dy in dys.values()), "a mask of zeros gives a non-finite gradient"
    if getattr(loss, "reduction", "mean") in ("mean", "sum") and n > 1:
        half = max(1, n // 2)
        weights = np.repeat((1.0, 0.0), (n - half, half))
        shorter = _evaluated(loss, _rows(inputs, slice(-half)), ctx)[0]
        equal(_evaluated(loss, inputs, ctx, weights)[0], shorter, f"a mask of 0 for {half} of {n} examples")
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
    """Outputs with a time axis (..., T, N, F) and a mask (..., T, N), unless the loss rejects them with a ValueError.

    Cannot see: whether a rejection is right.
    """
    subject, ctx = replace(of_loss(None, time=True), excused=about.excused), context(())
    inputs = _drawn(subject, loss)
    try:
        _evaluated(loss, inputs, ctx)
    except ValueError:
        return
    if "gradient" not in about.excused:
        check_gradient(loss, subject)
    _masked_counts_for_nothing(loss, inputs, ctx)
    _masked_counts_for_nothing(loss, _drawn(subject.resized(n=4, steps=4), loss), ctx)
    if getattr(loss, "reduction", "mean") in ("mean", "sum"):
        kept = np.random.default_rng(4).uniform(size=next(iter(inputs.values())).shape[:-1]) < 0.6
        value = _evaluated(loss, inputs, ctx, kept.astype(float))[0]
        steps = _evaluated(loss, _rows(inputs, kept), ctx)[0]
        equal(value, steps, "a mask over time, against the unmasked steps only,")
    check_batches(loss, subject)


def check_targets(loss: Any, about: Differentiable) -> None:
    """The loss accepts every kind of target that it declares, for 1, 2 and more outputs; each class counts, from the first
    to the last.

    Cannot see: kinds of target that it does not declare.
    """
    for kind in filter(TARGETS.__contains__, loss.targets):
        subject = replace(of_loss(None, kind), excused=about.excused)
        if "gradient" not in about.excused:
            check_gradient(loss, subject)
        for outputs_of_head in (1, 2, 7):
            check_size(loss, subject.resized(outputs=outputs_of_head, n=6), f"{kind} targets of {outputs_of_head} outputs")
        if kind in ("label", "binary"):
            _every_class(loss, subject)


def _every_class(loss: Any, subject: Differentiable) -> None:
    """Examples of every class have gradients."""
    inputs = _drawn(subject.resized(n=20), loss)
    classes = subject.sizes.outputs if inputs["t"].max() > 1 else 2
    for k in range(classes):
        _, dys = _evaluated(loss, inputs | {"t": np.full_like(inputs["t"], k)}, context(()))
        assert any(dy.any() for dy in dys.values()), f"examples of class {k} have no gradient"


def check_predict(loss: Any, about: Differentiable) -> None:
    """The prediction keeps replica axes, examples and dtype, changes nothing, and treats replicas and examples separately.
    It has no NaN for large outputs. Where the loss computes probabilities (`outputs` is raw), it is one.

    Cannot see: whether it is the best prediction.
    """
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
    _prediction_of_examples(loss, about)


def _prediction_of_examples(loss: Any, about: Differentiable) -> None:
    inputs, ctx = _drawn(about, loss), context(())
    s = loss.predict(outputs(inputs), ctx)
    equal(loss.predict(outputs(_rows(inputs, slice(1))), ctx), s[:1], "the prediction of an example without the others")
    for scale in (1,) if reads_probabilities(loss) else (1, 0, 1000, -1000):
        large = {name: a * scale for name, a in inputs.items() if name != "t"}
        with np.errstate(all="ignore"):
            s = loss.predict(outputs(large), ctx)
        assert not np.isnan(s).any(), f"the prediction of outputs around {scale} is NaN"
        if getattr(loss, "outputs", None) == "raw":
            inside = ((s >= 0) & (s <= 1)).all()
            assert inside, "outputs is raw, so predictions are probabilities, but some lie outside 0 ... 1"
            if "label" in getattr(loss, "targets", ()) and s.shape[-1] > 1:
                equal(s.sum(-1), np.ones(s.shape[:-1]), "the sum of the probabilities of the classes", 1e-6)


def check_tensors(regularizer: Any, about: Differentiable) -> None:
    """A regularizer has the option `tensors`, which selects tensors by name.

    Cannot see: which tensors are meant.
    """
    assert isinstance(getattr(regularizer, "tensors", None), str), (
        'the option tensors is missing; add tensors: str = option("W", ...), the first letters of tensor names'
    )


def check_after(regularizer: Any, about: Differentiable) -> None:
    """after works in place, with a learning rate per replica (..., 1, 1) or a float; replicas are independent. Two rates
    give two steps and a rate of 0 none, unless it is a projection, which changes nothing at a second call. It changes some
    tensor, and gives no NaN.

    Cannot see: a step of another size than the rate says.
    """
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
    _steps_by_rate(regularizer, about)


def _steps_by_rate(regularizer: Any, about: Differentiable) -> None:
    W = about.draw(regularizer, np.random.default_rng(0))["W"]

    def stepped(W: Array, lr: float, times: int = 1, own: Any = regularizer) -> Array:
        W = W.copy()
        with np.errstate(all="ignore"):
            for _ in range(times):
                own.after(W, lr, context(()))
        return W

    def moves(own: Any) -> list[float]:
        return [scale for scale in (1e-3, 1.0, 1000.0) if not np.array_equal(stepped(W * scale, 0.3, own=own), W * scale)]

    for scale in (0.0, 1.0, 1000.0):
        assert not np.isnan(stepped(W * scale, 0.1)).any(), f"after gives NaN for weights around {scale:g}"
    acts = any(map(moves, (regularizer, *others(regularizer))))  # an option may switch it off
    assert acts, "after changes no tensor, small or large; it works in place: W *= ..., W[...] = ..."
    for scale in moves(regularizer):
        once, twice = (stepped(W * scale, 0.3, times) for times in (1, 2))
        if np.abs(twice - once).max() > 1e-9 * scale:  # no projection
            slower = stepped(W * scale, 0.1)
            assert not np.array_equal(once, slower), "after ignores the learning rate: 0.1 and 0.3 give the same step"
            still = stepped(W * scale, 0.0)
            assert np.array_equal(still, W * scale), "after changes weights although the learning rate is 0"


LOSS: Mapping[str, Callable[[Any, Differentiable], None]] = {"mask": check_mask, "sequence": check_sequence}
LOSS_OFFERED: Mapping[str, Callable[[Any, Differentiable], None]] = {"targets": check_targets, "predict": check_predict}
REGULARIZER: Mapping[str, Callable[[Any, Differentiable], None]] = {"tensors": check_tensors}
REGULARIZER_OFFERED: Mapping[str, Callable[[Any, Differentiable], None]] = {"after": check_after}
