"""Counts by class: right, predicted and true examples of each class or label, and averages over classes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from framework import Array, Context, option
from framework_metrics._ratio import ratio

Names = tuple[str, ...] | Literal["auto"]
Average = Literal["micro", "macro", "weighted"]


@dataclass(frozen=True, kw_only=True)
class ClassMetric(ABC):
    """What metrics of classes share: the counts of each class, and the names of the classes for their values."""

    targets: ClassVar[tuple[str, ...]] = ("label",)
    names: Names = option("auto", help="the names of the classes in stackprop evaluate; auto: from the data")

    @abstractmethod
    def of(self, right: Array, predicted: Array, true: Array) -> Array:
        """The value of numbers of examples: right, predicted and true ones."""

    def count(self, y: Array, t: Array, ctx: Context, mask: Array | None = None) -> Array:
        """Right, predicted and true examples of each of K classes, (..., 3 K)."""
        return flat(counts_by_class(y, t, ctx, mask))

    def parts(self, counts: Array) -> Mapping[str, Array]:
        """class -> its value."""
        values = self.of(*by_class(counts))
        K = values.shape[-1]
        names = self.names if len(self.names) == K and self.names != "auto" else [str(k) for k in range(K)]
        return {name: values[..., k] for k, name in enumerate(names)}


@dataclass(frozen=True)
class AveragedMetric(ClassMetric):
    """What precision, recall and F1 share: all classes but a negative one counted together, or a mean over classes."""

    targets: ClassVar[tuple[str, ...]] = ("label", "columns")
    negative: int = option(0, least=0, help="the negative class, as a number; micro leaves it out")
    average: Average = option("micro", help="micro: counted together; macro: mean over classes; weighted: by true examples")

    def __post_init__(self) -> None:
        if self.negative and self.average != "micro":
            raise ValueError(f"negative: average={self.average} reads all classes (got {self.negative}); allowed: 0")

    def check(self, kind: str, K: int) -> None:
        """Check that the negative class exists.

        Raises:
            ValueError: it does not.
        """
        if kind == "columns" and self.negative:
            raise ValueError(f"negative: label columns have no negative class (got {self.negative}); allowed: 0")
        if self.negative >= K > 0 and kind != "columns":
            raise ValueError(f"negative: there are {K} classes (got {self.negative}); allowed: 0 ... {K - 1}")

    def count(self, y: Array, t: Array, ctx: Context, mask: Array | None = None) -> Array:
        """Of all positives together, then of each class: right, predicted and true examples, (..., 3 + 3 K)."""
        counts, is_columns = counts_by_class(y, t, ctx, mask), t.ndim == y.ndim
        K = counts.shape[-1]
        self.check("columns" if is_columns else "label", K)
        positive = ctx.xp.arange(K) >= 0 if is_columns else ctx.xp.arange(K) != self.negative
        return ctx.xp.concatenate([ctx.xp.where(positive, counts, 0 * counts).sum(-1), flat(counts)], -1)

    def value(self, counts: Array) -> Array:
        """The value of all positives together, or the mean over classes."""
        if self.average == "micro":
            return self.of(counts[..., 0], counts[..., 1], counts[..., 2])
        right, predicted, true = by_class(counts[..., 3:])
        weight = true if self.average == "weighted" else (true + predicted != 0) * 1.0
        return ratio((self.of(right, predicted, true) * weight).sum(-1), weight.sum(-1))

    def parts(self, counts: Array) -> Mapping[str, Array]:
        """class or label -> its value."""
        return super().parts(counts[..., 3:])


def counts_by_class(y: Array, t: Array, ctx: Context, mask: Array | None) -> Array:
    """Right, predicted and true examples of each class, or of each column (..., 3, K); NaN after a prediction of NaN that
    counts.

    Args:
        y: predictions (..., [T,] N, K), of which the largest is the class, or a single column, y > 0.5.
        t: classes (..., [T,] N), or 0 and 1 in columns (..., [T,] N, K), each a separate label.
    """
    xp = ctx.xp
    if t.ndim == y.ndim:
        guessed, true = y > 0.5, t > 0.5
    else:
        answer = y.argmax(-1) if y.shape[-1] > 1 else (y[..., 0] > 0.5).astype(t.dtype)
        classes = xp.arange(max(2, y.shape[-1]))
        guessed, true = answer[..., None] == classes, t[..., None] == classes
    weight = xp.ones_like(y[..., 0]) if mask is None else mask + 0 * guessed[..., 0].astype(y.dtype)
    undefined = (y != y).any(-1) & (weight > 0)
    core = tuple(range(len(ctx.replicas) - undefined.ndim, 0))
    examples = tuple(axis - 1 for axis in core)
    totals = xp.stack([(a * weight[..., None]).sum(examples) for a in (guessed & true, guessed, true)], -2)
    return xp.where(undefined.any(core)[..., None, None], xp.full_like(totals, xp.nan), totals)


def flat(counts: Array) -> Array:
    """(..., 3, K) as (..., 3 K)."""
    return counts.reshape(*counts.shape[:-2], 3 * counts.shape[-1])


def by_class(counts: Array) -> tuple[Array, Array, Array]:
    """Right, predicted and true examples of each class, (..., K) each."""
    K = counts.shape[-1] // 3
    return counts[..., :K], counts[..., K : 2 * K], counts[..., 2 * K :]
