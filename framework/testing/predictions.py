"""The predictions and targets on which metrics are checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from framework.core.arrays import Array
from framework.core.context import Context
from framework.inference import evaluation
from framework.testing.purity import seeded_rng
from framework.testing.subjects import K, outputs_and_targets

KINDS = ("real", "label", "columns", "binary")
N, STEPS = 8, 4


@dataclass(frozen=True)
class Batch:
    """Predictions (..., [T,] N, K), targets, and a mask (..., [T,] N) or None."""

    y: Array
    t: Array
    mask: Array | None = None

    def part(self, at: Any, axis: int) -> Batch:
        """Some of the examples or steps; the axis counts from the end of the mask."""

        def cut(a: Array | None) -> Any:
            beyond = 0 if a is None or a.ndim == len(self._core()) else 1
            return None if a is None else a[(..., at, *(slice(None),) * (-axis - 1 + beyond))]

        return Batch(cut(self.y), cut(self.t), cut(self.mask))

    def _core(self) -> tuple[int, ...]:
        return tuple(self.y.shape[:-1])

    def ones(self) -> Array:
        """Weights of 1."""
        return np.ones(self._core())

    def replica(self, at: Any) -> Batch:
        """The batch of one replica."""
        return Batch(self.y[at], self.t[at], None if self.mask is None else self.mask[at])


def targets_of(metric: Any) -> tuple[str, ...]:
    """The kinds of target to try: those that it names, or ("real",) for a metric without targets."""
    raw = getattr(metric, "raw", False)
    return tuple(getattr(metric, "targets", ("real",) if raw else ("label",))) or ("real",)


def batches(metric: Any, lead: tuple[int, ...] = (3,)) -> Iterator[tuple[str, Batch]]:
    """A batch for every kind of target, with and without time, within 0 ... 1 unless raw or real; for binary targets with
    one column too."""
    raw, by_class = getattr(metric, "raw", False), "label" in targets_of(metric)
    for kind in targets_of(metric):
        for core in ((N,), (STEPS, N)):
            rng = seeded_rng(0)
            y, t = outputs_and_targets(kind, (*lead, *core), rng, by_class)
            y = y if raw or kind == "real" else rng.uniform(0, 1, y.shape)
            yield f"{kind} targets{' by time' if len(core) > 1 else ''}", Batch(y, t)
            if by_class and not raw and kind == "binary":
                yield f"binary targets, one column{' by time' if len(core) > 1 else ''}", Batch(y[..., :1], t)


def count(metric: Any, batch: Batch, ctx: Context) -> Array:
    """The counts; a metric of several nodes reads the columns in as many parts, and one without targets no target."""
    sources = getattr(metric, "sources", 1)
    outputs = tuple(ctx.xp.split(batch.y, sources, -1)) if sources > 1 else batch.y
    target = None if getattr(metric, "targets", None) == () else batch.t
    with np.errstate(all="ignore"):
        counts: Array = metric.count(outputs, target, ctx, batch.mask)
    return counts


def total(metric: Any, counts: Iterable[Array]) -> Array:
    """The counts of several batches: their sum, or all rows."""
    found = list(counts)
    summed: Array = np.concatenate(found, -2) if evaluation.keeps_rows(metric) else sum(found)
    return summed


def compared(metric: Any, counts: Array, ctx: Context) -> Array:
    """What must not differ where counts say the same: the counts, or the value of rows, whose order is free."""
    return value_of(metric, counts, ctx) if evaluation.keeps_rows(metric) else counts


def value_of(metric: Any, counts: Array, ctx: Context) -> Array:
    """The value of counts; 0 / 0 may be NaN."""
    with np.errstate(all="ignore"):
        return np.asarray(evaluation.value_of(metric, counts, ctx))


def valued(metric: Any, batch: Batch, ctx: Context) -> Array:
    """The value of one batch."""
    return value_of(metric, count(metric, batch, ctx), ctx)


def same(a: Array, b: Array, what: str) -> None:
    """Reject values that differ, but for two that are both undefined or both infinite."""
    assert np.shape(a) == np.shape(b), f"{what}: shapes {np.shape(a)} and {np.shape(b)}"
    assert np.allclose(a, b, rtol=1e-9, atol=1e-9, equal_nan=True), f"{what}: {a} and {b}"


def perfect(metric: Any, t: Array, off: int = 0) -> Batch:
    """Predictions of one class each, the right one, or the one `off` further."""
    onehot = np.eye(K)[(t + off) % K]
    return Batch(20 * (onehot - 0.5) if getattr(metric, "raw", False) else onehot, t)


def right_and_wrong(metric: Any, kind: str, raw: bool) -> Iterator[Batch]:
    """A batch of right predictions, then batches of wrong ones."""
    rng = np.random.default_rng(0)
    t: Array
    if kind == "label":
        t = np.arange(N) % K
        yield from (perfect(metric, t, off) for off in (0, 1, 2, 3))
    elif kind == "real":
        t = rng.uniform(1, 2, (N, K))
        yield from (Batch(t + off, t) for off in (0, 0.5, -0.5, 1, -1))
    else:
        t = np.array([0, 1] * (N // 2)) if kind == "binary" else rng.permuted(np.arange(N * K).reshape(N, K) % 2, axis=1)
        y = t[..., None] if kind == "binary" else t
        yield from (Batch(20.0 * (each - 0.5) if raw else each.astype(float), t) for each in (y, 1 - y))
