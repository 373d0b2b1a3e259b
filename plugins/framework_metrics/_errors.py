"""Means of errors over examples and columns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from framework import Array, Context


@dataclass(frozen=True)
class ErrorMetric(ABC):
    """The weighted mean of the error of each number of a prediction."""

    lower_is_better: ClassVar[bool] = True
    targets: ClassVar[tuple[str, ...]] = ("real",)

    @abstractmethod
    def error(self, y: Array, t: Array, xp: Any) -> Array:
        """The error of each number, (..., [T,] N, F)."""

    def count(self, y: Array, t: Array, ctx: Context, mask: Array | None = None) -> Array:
        """The sum of weighted errors, averaged over columns, and the sum of weights (..., 2)."""
        xp = ctx.xp
        errors = self.error(y, t, xp).mean(-1)
        weight = xp.ones_like(errors) if mask is None else xp.broadcast_to(mask, errors.shape).astype(errors.dtype)
        core = tuple(range(len(ctx.replicas) - errors.ndim, 0))
        counted = xp.where(weight > 0, errors * weight, xp.zeros_like(errors))  # padding may be anything, also NaN
        return xp.stack([counted.sum(core), weight.sum(core)], -1)

    def value(self, counts: Array) -> Array:
        """The mean."""
        return counts[..., 0] / counts[..., 1]
