"""Checks of metrics, for every kind of target that a metric names, with and without a time axis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from framework.core.arrays import Array
from framework.core.context import Context
from framework.core.stacking import to_device
from framework.inference import evaluation
from framework.testing.choices import check_choices
from framework.testing.double import Double
from framework.testing.predictions import (
    KINDS,
    Batch,
    N,
    batches,
    compared,
    count,
    perfect,
    right_and_wrong,
    same,
    targets_of,
    total,
    value_of,
    valued,
)
from framework.testing.purity import on_device, own_numbers, reported, seeded_rng, untouched, works
from framework.testing.stacks import LEADS, alone, context, merged, stackable, varied
from framework.testing.subjects import K


def check_targets(metric: Any) -> None:
    """Every target that it names exists and can be counted; perfect predictions are as good whichever classes
    occur, and have a value where a class does not.

    Cannot see: wrong rules, such as another threshold.
    """
    for kind in getattr(metric, "targets", None) or ():
        assert kind in KINDS, f"targets: unknown kind '{kind}'; allowed: {', '.join(KINDS)}"
    for what, batch in batches(metric):
        with works(what):
            value = valued(metric, batch, context((3,)))
        assert value.shape == (3,), f"{what}: the value has shape {value.shape}, not one per replica (3,)"
        _check_effect(metric, what, batch)
    if "label" in targets_of(metric) and getattr(metric, "sources", 1) == 1:
        _check_classes(metric)
    if "columns" in targets_of(metric):
        _check_columns(metric)


def _check_effect(metric: Any, what: str, batch: Batch) -> None:
    """Other predictions have other counts; a metric that takes the largest of a single column never sees them."""
    y, t = batch.y, batch.t
    right = t if t.ndim == y.ndim else (t[..., None] == np.arange(y.shape[-1])) if y.shape[-1] > 1 else t[..., None]
    others = (y[..., ::-1, :], seeded_rng(1).permuted(y, axis=-2) ** 2, right.astype(float), 1.0 - right)
    counts = [count(metric, replace(batch, y=each), context((3,))) for each in (y, *others)]
    differ = any(not np.array_equal(each, counts[0]) for each in counts[1:])
    assert differ, f"{what}: predictions {y.shape} have no effect"


def _check_classes(metric: Any) -> None:
    classes = np.arange(N) % K
    with_all = valued(metric, perfect(metric, classes), Context())
    sign = -1 if getattr(metric, "lower_is_better", False) else 1
    undefined: list[bool] = []  # of a recall of one class, one of them may be
    for c in range(K):
        others = [k for k in range(K) if k != c]
        without = [valued(metric, perfect(metric, np.array(t)), Context()) for t in _two(others)]
        undefined.append(bool(np.isnan(without).any()))
        if np.isclose(*without):
            worse = sign * float(with_all) < sign * float(without[0]) - 1e-6
            assert not worse, f"predictions that are all right have the value {without[0]}; if class {c} occurs, {with_all}"
    none = not np.isnan(with_all) and all(undefined)
    assert not none, "predictions that are all right have no value (NaN) if any of the classes does not occur"


def _two(classes: list[int]) -> tuple[list[int], list[int]]:
    """Two mixtures of three classes."""
    a, b, c = classes
    return [a, a, a, b, b, c, c, c], [a, b, b, b, c, a, c, b]


def _check_columns(metric: Any) -> None:
    """A wrong prediction in any column lowers or raises the value of right ones."""
    rng, raw = np.random.default_rng(0), getattr(metric, "raw", False)
    t = rng.integers(0, 2, (N, K))
    right = np.where(t > 0, 10.0, -10.0) if raw else t.astype(float)
    best = valued(metric, Batch(right, t), Context())
    for column in range(K):
        y = right.copy()
        y[:, column] = -y[:, column] if raw else 1 - y[:, column]
        differs = not np.isclose(valued(metric, Batch(y, t), Context()), best)
        assert differs, f"columns targets: wrong predictions in column {column} have no effect"


def check_counts(metric: Any) -> None:
    """Counts are (..., k), and those of batches of any sizes add up to those of all examples together. With `rows` they are
    (..., M, k), and the rows of batches have the value of all examples.

    Cannot see: rules that need all examples at once, which no sum of counts can follow.
    """
    shape = "M, k" if evaluation.keeps_rows(metric) else "k"
    for what, batch in batches(metric):
        ctx = context((3,))
        whole = count(metric, batch, ctx)
        assert whole.ndim == 1 + len(shape.split()), f"{what}: counts {whole.shape} are not (..., {shape})"
        assert whole.shape[0] == 3, f"{what}: counts {whole.shape} are not (3, {shape}) for replicas (3,)"
        for cuts in ((slice(3), slice(3, None)), (slice(1), slice(1, 7), slice(7, 8))):
            found = total(metric, (count(metric, batch.part(at, -1), ctx) for at in cuts))
            how = "the counts of batches together, against those of all examples,"
            same(compared(metric, found, ctx), compared(metric, whole, ctx), f"{what}: {how}")


def check_mask(metric: Any) -> None:
    """Examples and steps of weight 0 count as if they were absent, whatever is predicted there; weights of 1 change nothing,
    and a batch of weights 0 adds nothing.

    Cannot see: what a weight other than 0 does; `weights` looks at it.
    """
    for what, batch in batches(metric):
        ctx = context((3,))
        plain, ones = (count(metric, each, ctx) for each in (batch, replace(batch, mask=batch.ones())))
        same(ones, plain, f"{what}: counts with weights of 1, and without a mask,")
        for axis in range(-1, -1 - len(batch.ones().shape[1:]), -1):
            mask = batch.ones()
            hidden = (..., slice(3, None), *(slice(None),) * (-axis - 1))
            mask[hidden] = 0
            y = batch.y.copy()
            y[(*hidden, slice(None))] = 1 - y[(*hidden, slice(None))]
            each = (count(metric, part, ctx) for part in (Batch(y, batch.t, mask), batch.part(slice(3), axis)))
            found, kept = (compared(metric, counts, ctx) for counts in each)
            where = "examples" if axis == -1 else "steps"
            same(found, kept, f"{what}: counts with {where} of weight 0, and without them,")
        none = count(metric, replace(batch, mask=0 * batch.ones()), ctx)
        if evaluation.keeps_rows(metric):
            found, kept = (value_of(metric, counts, ctx) for counts in (total(metric, (plain, none)), plain))
            same(found, kept, f"{what}: the value with rows of padding alone, and without them,")
        else:
            assert not np.any(none), f"{what}: a batch of padding alone adds {none.ravel()[:3]} to the counts, not 0"


def check_weights(metric: Any) -> None:
    """An example of weight 2 counts as if it occurred twice, and one of weight 1/2 as half of it.

    Cannot see: negative weights. A metric that counts a sequence whole or not declares this in `expected_failures`.
    """
    for what, batch in batches(metric):
        ctx, mask = context((3,)), batch.ones()
        mask[..., 2:5] = 2
        twice = [batch, batch.part(slice(2, 5), -1)]
        added = total(metric, (count(metric, each, ctx) for each in twice))
        found, wanted = (value_of(metric, c, ctx) for c in (count(metric, replace(batch, mask=mask), ctx), added))
        same(np.asarray(found), np.asarray(wanted), f"{what}: the value with weights of 2, and with those examples twice,")
        mask[..., 2:5] = 0.5
        halves = [replace(batch, mask=mask), replace(batch, mask=mask).part(slice(2, 5), -1)]
        both = (total(metric, (count(metric, each, ctx) for each in halves)), count(metric, batch, ctx))
        found, wanted = (compared(metric, counts, ctx) for counts in both)
        same(found, wanted, f"{what}: the counts of examples in two halves of weight 1/2")


def check_each_replica(metric: Any) -> None:
    """Counts, value and parts of replica r equal those of replica r alone, in stacks that differ in every option.

    Cannot see: replicas that mix only in stacks of other sizes.
    """
    for lead in ((1,), *LEADS[1:], (K,)):
        lone = [varied(metric, r) for r in range(prod(lead))]
        whole = merged(lone, lead)
        for what, batch in _with_masks(metric, lead):
            counts = count(whole, batch, context(lead))
            values, parts = value_of(whole, counts, context(lead)), _parts(whole, counts, context(lead))
            for r, member in enumerate(lone):
                at = np.unravel_index(r, lead)
                own = count(member, batch.replica(at), alone(r))
                same(counts[at], own, f"{what}: counts of replica {r} in a stack {lead}, and alone,")
                same(
                    values[at],
                    value_of(member, own, alone(r)),
                    f"{what}: value of replica {r} in a stack {lead}, and alone,",
                )
                for name, part in _parts(member, own, alone(r)).items():
                    same(np.asarray(parts[name])[at], np.asarray(part), f"{what}: part '{name}' of replica {r}")
    for what, batch in batches(metric):
        shared, repeated = replace(batch, t=batch.t[:1]), replace(batch, t=np.repeat(batch.t[:1], 3, 0))
        same(
            count(metric, shared, context((3,))),
            count(metric, repeated, context((3,))),
            f"{what}: counts of targets that replicas share",
        )


def _with_masks(metric: Any, lead: tuple[int, ...]) -> Iterator[tuple[str, Batch]]:
    """Every batch without a mask, and with one that differs from replica to replica."""
    for what, batch in batches(metric, lead):
        yield what, batch
        mask = seeded_rng(0).integers(0, 2, batch.ones().shape).astype(float)
        mask[..., 0] = 1
        yield f"{what}, masked", replace(batch, mask=mask)


def _parts(metric: Any, counts: Array, ctx: Context) -> Mapping[str, Array]:
    with np.errstate(all="ignore"):  # 0 / 0 may be NaN
        return evaluation.parts_of(metric, counts, ctx) if hasattr(metric, "parts") else {}


def check_parts(metric: Any) -> None:
    """parts(counts) gives named values, one per replica each.

    Cannot see: whether a part belongs to its name.
    """
    _, batch = next(batches(metric))
    for lead in ((3,), (2, 3)):
        own = count(metric, batch.replica(0), Context())
        counts = np.broadcast_to(own, (*lead, *own.shape))
        for name, value in _parts(metric, counts, context(lead)).items():
            assert isinstance(name, str), f"parts: {name!r} is not a name"
            assert np.shape(value) == lead, f"parts: '{name}' has shape {np.shape(value)}, not one per replica {lead}"


def check_options(metric: Any) -> None:
    """Replicas may differ in each option declared stackable.

    Cannot see: options that are not declared stackable.
    """
    for option in stackable(metric):
        lone = [varied(metric, r, option) for r in range(3)]
        whole = merged(lone, (3,))
        for what, batch in batches(metric):
            with works(f"replicas differ in the stackable option '{option}'; read it as ctx.per(self.{option}, y)"):
                counts = count(whole, batch, context((3,)))
            for r, member in enumerate(lone):
                own = count(member, batch.replica(r), alone(r))
                same(counts[r], own, f"{what}: replicas differ in the stackable option '{option}': counts of replica {r}")


def check_neighbours(metric: Any) -> None:
    """Counts and value of a replica do not change if the predictions of another one are not finite.

    Cannot see: values that only nearly overflow.
    """
    for what, batch in batches(metric):
        bad, ctx = batch.y.copy(), context((3,))
        bad[1] = np.nan
        values = [valued(metric, replace(batch, y=y), ctx) for y in (batch.y, bad)]
        for r in (0, 2):
            same(values[1][r], values[0][r], f"{what}: value of replica {r} next to one full of nan")


def check_unchanged(metric: Any) -> None:
    """Predictions, targets, mask and counts stay unchanged, nothing is saved on the object, and nothing is random. A batch
    counts the same in training and in evaluation.

    Cannot see: state that a module keeps and that changes no result.
    """
    for what, batch in batches(metric):
        batch = replace(batch, mask=batch.ones())
        before, ctx = Batch(batch.y.copy(), batch.t.copy(), batch.ones()), context((3,))
        with untouched(metric):
            counts = count(metric, batch, ctx)
            given = counts.copy()
            first = value_of(metric, counts, ctx).copy()
        for name in ("y", "t", "mask"):
            assert np.array_equal(getattr(batch, name), getattr(before, name)), f"{what}: {name} was modified"
        assert np.array_equal(counts, given, equal_nan=True), f"{what}: value modified the counts"
        assert np.array_equal(count(metric, batch, ctx), given, equal_nan=True), f"{what}: two counts of one batch differ"
        evaluated = count(metric, batch, context((3,), train=False))
        assert np.array_equal(evaluated, given, equal_nan=True), f"{what}: the counts of evaluation differ from training"
        assert np.array_equal(first, value_of(metric, given, ctx), equal_nan=True), (
            f"{what}: two values of the same counts differ"
        )
    own_numbers(lambda seed: [count(metric, batch, context((3,)))], "any: a metric is not random")


def check_strides(metric: Any) -> None:
    """Predictions and targets in any memory layout give the same counts.

    Cannot see: arrays whose steps are negative.
    """
    for what, batch in batches(metric):
        ctx, mask = context((3,)), batch.ones()
        mask[..., 1] = 0
        apart = Batch(*(np.asfortranarray(a) for a in (batch.y, batch.t, mask)))
        same(
            count(metric, apart, ctx),
            count(metric, replace(batch, mask=mask), ctx),
            f"{what}: counts of arrays in another order of memory",
        )


def check_direction(metric: Any) -> None:
    """Right predictions are not worse than wrong ones, by the direction that `lower_is_better` declares.

    Cannot see: a metric that is neither better nor worse for right predictions.
    """
    lower, raw = bool(getattr(metric, "lower_is_better", False)), getattr(metric, "raw", False)
    if getattr(metric, "sources", 1) > 1 or getattr(metric, "targets", None) == ():
        return
    for kind in targets_of(metric):
        right, *wrong = (float(valued(metric, batch, Context())) for batch in right_and_wrong(metric, kind, raw))
        worse = [right > w if lower else right < w for w in wrong]
        declared = f"lower_is_better = {lower} is declared"
        assert not all(worse), (
            f"{kind} targets: right predictions have {right:.3g}, wrong ones {wrong[0]:.3g}, but {declared}"
        )


def check_numbers(metric: Any) -> None:
    """Predictions of exactly 0 and 1, raw outputs of 1000, and real ones equal to their target, also to one of 0, give a
    value, not NaN.
    Predictions of float32 give the value of float64, up to rounding.

    Cannot see: values that are finite but inexact.
    """
    for what, batch in batches(metric):
        raw = getattr(metric, "raw", False)
        extreme = 1000 * np.sign(batch.y) if raw else batch.y.round() if "real" not in what else batch.t + 0.0
        usual, value = (valued(metric, replace(batch, y=y), context((3,))) for y in (batch.y, extreme))
        assert not np.isnan(value[~np.isnan(usual)]).any(), (
            f"{what}: predictions of {'+-1000' if raw else 'exactly 0 and 1'} give NaN"
        )
        narrow = valued(metric, replace(batch, y=batch.y.astype(np.float32)), context((3,)))
        if "real" in what and not raw:
            _check_zeros(metric, what, batch)
        close = np.allclose(narrow, usual, rtol=1e-3, atol=1e-3, equal_nan=True)
        assert close, f"{what}: the value of float32 predictions is {narrow}, of float64 {usual}"


def _check_zeros(metric: Any, what: str, batch: Batch) -> None:
    """A target of exactly 0 is a usual one."""
    t = batch.t.copy()
    t[..., 0, :] = 0
    value = valued(metric, Batch(t.copy(), t), context((3,)))
    assert not np.isnan(value).any(), f"{what}: right predictions of targets of which some are 0 give NaN"


def check_device(metric: Any) -> None:
    """A device whose arrays reject host arrays gives the same value, without a transfer to the host.

    Cannot see: functions that NumPy has and CuPy lacks.
    """
    whole = merged([varied(metric, r) for r in range(3)], (3,))
    for what, batch in batches(metric):
        batch, xp = replace(batch, mask=batch.ones()), Double()
        there = Batch(xp.asarray(batch.y), xp.asarray(batch.t), xp.asarray(batch.mask))
        with on_device(), np.errstate(all="ignore"):
            on = to_device(whole, xp), context((3,)).but(xp=xp)
            value = evaluation.value_of(on[0], count(on[0], there, on[1]), on[1])
        assert xp.to_host == 0, f"{what}: arrays were copied from the device to the host"
        same(value.get(), valued(whole, batch, context((3,))), f"{what}: the value on a device")


SIMPLE = {"targets": check_targets, "counts": check_counts, "mask": check_mask, "pure": check_unchanged}
METRIC = reported(
    {
        **SIMPLE,
        "weights": check_weights,
        "stack_law": check_each_replica,
        "neighbours": check_neighbours,
        "strides": check_strides,
        "direction": check_direction,
        "numbers": check_numbers,
        "device": check_device,
        "options": check_options,
        "choices": check_choices(SIMPLE, {"counts": check_counts}),
    }
)
METRIC_OFFERED = reported({"parts": check_parts})
