"""What metrics of ranks share: rows of scores, and how many examples lie above each threshold."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from framework import Array, Context, option
from framework_metrics._classes import Names
from framework_metrics._ratio import ratio


@dataclass(frozen=True, kw_only=True)
class RankingMetric(ABC):
    """A value of the order of all scores of a class, for each class against the others, or each label column."""

    rows: ClassVar[bool] = True
    targets: ClassVar[tuple[str, ...]] = ("label", "columns")
    names: Names = option("auto", help="the names of the classes in stackprop evaluate; auto: from the data")

    @abstractmethod
    def of(self, true: Array, false: Array, xp: Any) -> Array:
        """The value (..., C) of examples above each threshold, (..., C, M + 1), from none to all of them."""

    def count(self, y: Array, t: Array, ctx: Context, mask: Array | None = None) -> Array:
        """For each example C scores, whether it belongs to each of C classes, and its weight: (..., M, 2 C + 1)."""
        xp = ctx.xp
        weight = xp.ones_like(y[..., :1]) if mask is None else mask[..., None] + 0 * (y[..., :1] == y[..., :1])
        if t.ndim < y.ndim and y.shape[-1] > 2:
            t = t[..., None] == xp.arange(y.shape[-1])
        elif t.ndim < y.ndim:  # of two classes, the probability of class 1
            y, t = y[..., -1:], t[..., None] == 1
        rows = xp.concatenate([y, t * xp.ones_like(y), weight.astype(y.dtype)], -1)
        return rows.reshape(*ctx.replicas, -1, rows.shape[-1])

    def value(self, counts: Array, ctx: Context) -> Array:
        """The mean over classes and columns that have both kinds of example; NaN if none has."""
        values = self._values(counts, ctx.xp)
        known = values == values
        n = known.sum(-1)
        mean = ratio(ctx.xp.where(known, values, 0 * known).sum(-1), n)
        return ctx.xp.where(_undefined(counts) | (n == 0), ctx.xp.full_like(mean, ctx.xp.nan), mean)

    def parts(self, counts: Array, ctx: Context) -> Mapping[str, Array]:
        """class or label -> its value; none for two classes, whose value is that of class 1."""
        values = self._values(counts, ctx.xp)
        C = values.shape[-1]
        names = self.names if len(self.names) == C and self.names != "auto" else [str(k) for k in range(C)]
        return {name: values[..., k] for k, name in enumerate(names)} if C > 1 else {}

    def _values(self, rows: Array, xp: Any) -> Array:
        C = rows.shape[-1] // 2
        columns = xp.ascontiguousarray(rows.swapaxes(-1, -2))
        truth, weight = columns[..., C:-1, :], columns[..., -1:, :]
        true, false = above_thresholds(columns[..., :C, :], weight * truth, weight * (1 - truth), xp)
        both = (true[..., -1] > 0) & (false[..., -1] > 0)
        values = self.of(true, false, xp)
        return xp.where(both, values, xp.full_like(values, xp.nan))


def above_thresholds(scores: Array, true: Array, false: Array, xp: Any) -> tuple[Array, Array]:
    """The weights of the examples of a class, and of the others, whose score reaches each threshold (..., M + 1).

    The thresholds are the different scores, from the largest to the smallest, after one that nothing reaches. Equal scores
    make one threshold; the places left over repeat the last one.

    Args:
        true, false: the weights of the examples if they belong to the class, and if they do not, else 0.
    """
    order = xp.argsort(-scores, axis=-1)
    scores = xp.take_along_axis(scores, order, -1)
    last = xp.concatenate([scores[..., 1:] != scores[..., :-1], scores[..., :1] == scores[..., :1]], -1)
    first = xp.argsort((~last).astype(xp.int8), axis=-1, kind="stable")  # ends of equal scores, then places left over
    ends, found = xp.take_along_axis(last, first, -1), []
    for own in (true, false):
        sums = xp.take_along_axis(own, order, -1).cumsum(-1, dtype=xp.float64)
        kept = xp.where(ends, xp.take_along_axis(sums, first, -1), sums[..., -1:])
        found.append(xp.concatenate([0 * kept[..., :1], kept], -1))
    return found[0], found[1]


def _undefined(rows: Array) -> Array:
    """Whether a score of an example that counts is NaN (...)."""
    C = rows.shape[-1] // 2
    return ((rows[..., :C] != rows[..., :C]).any(-1) & (rows[..., -1] > 0)).any(-1)
