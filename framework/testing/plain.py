"""Checks of initializers, schedules, data sets, metrics and studies."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields
from math import prod
from typing import Any

import numpy as np

from framework.core.arrays import Array
from framework.core.context import Context
from framework.core.signatures import has_method
from framework.data.dataset import AXES, Data
from framework.inference.evaluation import value_of
from framework.testing.double import Double
from framework.testing.purity import on_device, untouched
from framework.testing.stacks import LEADS, alone, context, equal, merged, varied
from framework.testing.subjects import outputs_and_targets


def check_draws(initializer: Any) -> None:
    """The result is a float64 host array of the shape, from the generator only."""
    with untouched(initializer):
        first, second = (initializer(np.random.default_rng(0), (4, 3)) for _ in range(2))
    assert type(first) is np.ndarray, f"a {type(first).__name__} is not a host array"
    assert (first.shape, first.dtype) == ((4, 3), np.float64), f"{first.dtype} {first.shape}, not float64 (4, 3)"
    assert np.array_equal(first, second), "two draws from equal generators differ"


def check_fans(initializer: Any) -> None:
    """The scale depends on the given fans; only a constant scale, or an orthogonal tensor, may ignore them."""
    shape, fans = (120, 80), (480, 320)

    def draw(shape: tuple[int, int], fans: tuple[int, int] | None = None) -> Array:
        W: Array = initializer(np.random.default_rng(0), shape, fans)
        return W

    if np.array_equal(draw(shape), draw(shape, fans)):
        gram = draw(shape).T @ draw(shape)
        orthogonal = np.allclose(gram, np.diag(gram.diagonal()))
        assert orthogonal or _close(draw(shape), draw(fans)), "fans=(in, out) is ignored; the scale depends on the shape"
        return
    for given in (fans, fans[::-1]):
        W, wanted = draw(shape, given), draw(given)
        what = f"with fans={given} the deviation is {W.std():.3g}"
        assert _close(W, wanted), f"{what}; that of a tensor of this shape is {wanted.std():.3g}"


def _close(W: Array, other: Array) -> bool:
    return bool(np.isclose(W.std(), other.std(), rtol=0.05))  # thousands of numbers: their deviation is accurate to 1 %


def check_factor(schedule: Any) -> None:
    """A finite factor of at least 0 for every step, independent of the order of steps."""
    state = (schedule.init(()),) if has_method(schedule, "init") else ()
    with untouched(schedule):
        for total in (1, 10, 1000):
            factors = [schedule(step, total, *state) for step in range(total)]
            for step, factor in enumerate(factors):
                assert np.ndim(factor) == 0, f"step {step} of {total}: {factor!r} is not a number"
                assert 0 <= factor < np.inf, f"step {step} of {total}: {factor}"
            backwards = [schedule(step, total, *state) for step in reversed(range(total))]
            assert backwards[::-1] == factors, "steps in another order have other factors"


def check_stacked_factor(schedule: Any) -> None:
    """The factor of a stack is a number or an array of the replica shape, equal to that of each replica alone."""
    total = 10
    for lead in LEADS[1:]:
        lone = [varied(schedule, r) for r in range(prod(lead))]
        whole = merged(lone, lead)
        states = [one.init(()) if has_method(one, "init") else None for one in (*lone, whole)]
        if has_method(whole, "init"):
            states[-1] = whole.init(lead)
        for step in range(total):
            found = [np.asarray(_factor(s, step, total, state)) for s, state in zip((*lone, whole), states, strict=True)]
            factor, wanted = found.pop(), np.array(found).reshape(lead)
            assert factor.shape in ((), lead), f"the factor of a stack {lead} has shape {factor.shape}"
            equal(np.broadcast_to(factor, lead), wanted, f"the factor at step {step} of {total} in a stack {lead}")
            _validate((*lone, whole), states, np.random.default_rng(step // 3).uniform(size=lead))


def _factor(schedule: Any, step: int, total: int, state: Any) -> Any:
    return schedule(step, total) if state is None else schedule(step, total, state)


def _validate(schedules: tuple[Any, ...], states: list[Any], values: np.ndarray) -> None:
    """Tell the lone schedules and their stack, the last one, the value of a validation; it must change their states in
    place."""
    each = [*(np.asarray(value) for value in values.ravel()), values]
    for schedule, state, value in zip(schedules, states, each, strict=True):
        if has_method(schedule, "validated"):
            monitor = getattr(schedule, "monitor", None) or "val/loss"
            before = {name: a.shape for name, a in state.items()}
            schedule.validated(state, {monitor: value}, {monitor: True})
            after = {name: a.shape for name, a in state.items()}
            assert after == before, f"validated changes the state from {before} to {after}"


def check_data(dataset: Any) -> None:
    """Every split has every field with the declared axes; labels are in range; a seed always gives the same data; targets
    match the true f and sigma, if these are known."""
    with untouched(dataset):
        first, second = (dataset.load(np.random.default_rng(0)) for _ in range(2))
    assert "train" in first.splits, "the training split is missing"
    for split, arrays in first.splits.items():
        assert split in ("train", "val", "test"), f"unknown split '{split}'; allowed: train, val, test"
        assert arrays.keys() == first.fields.keys(), f"{split} has fields {list(arrays)}, not {list(first.fields)}"
        assert len({len(a) for a in arrays.values()}) == 1, f"the fields of {split} have different numbers of examples"
        for name, a in arrays.items():
            assert np.array_equal(a, second.splits[split][name]), f"{split}.{name}: two draws with the same seed differ"
            _check_field(first, split, name, a)
        if first.f is not None:
            _check_truth(first, split)


def _check_field(data: Data, split: str, name: str, a: np.ndarray) -> None:
    field = data.fields[name]
    assert field.axes in AXES
    assert a.ndim == len(field.axes), f"{split}.{name} has shape {a.shape}, not axes {field.axes}"
    assert np.isfinite(a).all(), f"{split}.{name} holds non-finite values"
    if field.kind in ("id", "label"):
        assert np.issubdtype(a.dtype, np.integer), f"{split}.{name} are {a.dtype}, not integers"
        assert 0 <= a.min() <= a.max() < field.size, f"{split}.{name} is not within 0 ... {field.size - 1}"
    if field.kind == "mask":
        assert a.min() >= 0, f"{split}.{name} holds negative weights"


def _check_truth(data: Data, split: str) -> None:
    """The targets are f(x) + noise of the declared size, if f and the noise are known."""
    x, y = data.splits[split]["x"], data.splits[split]["y"]
    residuals = y - data.f(x)
    assert residuals.shape == y.shape, f"f({split}.x) does not have the shape {y.shape} of the targets"
    if data.sigma is not None:
        band = 6 * data.sigma / (2 * residuals.size) ** 0.5 + 1e-9  # six standard errors of a deviation
        off = float(np.sqrt((residuals**2).mean())) - data.sigma
        assert abs(off) <= band, f"the noise in {split} differs from sigma by {off:.2g}; random variation allows {band:.2g}"


def _drawn(metric: Any, n: int = 8) -> tuple[Array, Array]:
    """Predictions (3, n, K) within 0 ... 1 (any value for a raw metric), and targets of the first kind it names."""
    raw, rng = getattr(metric, "raw", False), np.random.default_rng(0)
    kind = (getattr(metric, "targets", ("real" if raw else "label",)) or ("real",))[0]
    y, t = outputs_and_targets(kind, (3, n), rng)
    return (y if raw or kind == "real" else rng.uniform(0, 1, y.shape)), t


def _count(metric: Any, y: Array, t: Array, ctx: Context, mask: Array | None = None) -> Array:
    """The counts; a metric of several nodes reads the columns in as many parts, and one without targets no target."""
    sources = getattr(metric, "sources", 1)
    outputs = tuple(ctx.xp.split(y, sources, -1)) if sources > 1 else y
    counts: Array = metric.count(outputs, None if getattr(metric, "targets", None) == () else t, ctx, mask)
    return counts


def check_counts(metric: Any) -> None:
    """Counts are (..., k) and add up over batches, there is one value per replica, and masked examples are not counted."""
    y, t = _drawn(metric)
    ctx, mask = context((3,)), np.ones((3, 8))
    mask[:, 3:] = 0
    whole = _count(metric, y, t, ctx)
    assert whole.shape[:-1] == (3,), f"counts {whole.shape} are not (..., k)"
    assert value_of(metric, whole, ctx).shape == (3,), "value is not one per replica (3,)"
    parts = [_count(metric, y[:, s], t[:, s], ctx) for s in (slice(3), slice(3, None))]
    equal(whole, parts[0] + parts[1], "the sum of the counts of two batches, against those of both together,")
    masked = _count(metric, y, t, ctx, mask)
    equal(value_of(metric, masked, ctx), value_of(metric, parts[0], ctx), "a masked count")


def check_each_replica(metric: Any) -> None:
    """Counts and value of replica r equal those of replica r alone."""
    y, t = _drawn(metric)
    counts = _count(metric, y, t, context((3,)))
    values = value_of(metric, counts, context((3,)))
    for r in range(3):
        lone = _count(metric, y[r], t[r], alone(r))
        equal(counts[r], lone, f"counts of replica {r}")
        equal(values[r], np.asarray(value_of(metric, lone, alone(r))), f"value of replica {r}")
    shared = _count(metric, y, t[:1], context((3,)))
    equal(shared, _count(metric, y, np.repeat(t[:1], 3, 0), context((3,))), "counts of targets that replicas share")


def check_neighbours(metric: Any) -> None:
    """Counts and value of a replica do not change if the predictions of another one are not finite."""
    y, t = _drawn(metric)
    bad, ctx = y.copy(), context((3,))
    bad[1] = np.nan
    with np.errstate(all="ignore"):
        values = [value_of(metric, _count(metric, each, t, ctx), ctx) for each in (y, bad)]
    for r in (0, 2):
        equal(np.asarray(values[1][r]), np.asarray(values[0][r]), f"value of replica {r} next to one full of nan")


def check_unchanged(metric: Any) -> None:
    """Predictions, targets and counts stay unchanged, and nothing is saved on the object."""
    y, t = _drawn(metric)
    before, ctx = (y.copy(), t.copy()), context((3,))
    with untouched(metric):
        counts = _count(metric, y, t, ctx)
        given = counts.copy()
        value_of(metric, counts, ctx)
    assert np.array_equal(y, before[0]), "the predictions were modified"
    assert np.array_equal(t, before[1]), "the targets were modified"
    assert np.array_equal(counts, given), "the counts were modified"
    assert np.array_equal(_count(metric, y, t, ctx), given), "two counts of the same batch differ"


def check_device(metric: Any) -> None:
    """A device whose arrays reject host arrays gives the same counts, without a transfer to the host."""
    y, t = _drawn(metric)
    xp = Double()
    with on_device():
        counts = _count(metric, xp.asarray(y), xp.asarray(t), context((3,)).but(xp=xp))
        value = value_of(metric, counts, context((3,)).but(xp=xp))
    assert xp.to_host == 0, "arrays were copied from the device to the host"
    here = context((3,))
    equal(value.get(), value_of(metric, _count(metric, y, t, here), here), "the value on a device")


def check_asked(study: Any) -> None:
    """The study and its `check` take the experiment only; the figure of a sweep is declared by a class attribute, not an
    option."""
    for name in ("__call__", "check"):
        method = getattr(study, name, None)
        assert callable(method) or name == "check", "it cannot be called"
        if method is not None:
            try:
                inspect.signature(method).bind("the experiment")
            except TypeError as error:
                raise AssertionError(f"{name} must take the experiment only: {error}") from error
    figure = getattr(study, "figure", {})
    assert isinstance(figure, Mapping), f"figure: must be a mapping (got a {type(figure).__name__}), as the key `figure`"
    assert "figure" not in {f.name for f in fields(study)}, "figure is an option; declare figure: ClassVar[dict[str, Any]]"


PLAIN: Mapping[str, Mapping[str, Callable[[Any], None]]] = {
    "initializer": {"draws": check_draws, "fans": check_fans},
    "schedule": {"factor": check_factor, "stack_law": check_stacked_factor},
    "dataset": {"data": check_data},
    "metric": {
        "counts": check_counts,
        "stack_law": check_each_replica,
        "neighbours": check_neighbours,
        "pure": check_unchanged,
        "device": check_device,
    },
    "study": {"asked": check_asked},
}
