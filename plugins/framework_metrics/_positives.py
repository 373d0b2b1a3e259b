"""Counts of positives, the classes other than a negative one: right, predicted and true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from framework import Array, Context, option


@dataclass(frozen=True)
class PositiveCounts:
    """What precision, recall and F1 share: the negative class, and the counts of all others."""

    targets: ClassVar[tuple[str, ...]] = ("label",)
    negative: int = option(0, least=0, help="the negative class, as a number")

    def count(self, y: Array, t: Array, ctx: Context, mask: Array | None = None) -> Array:
        """Right, predicted and true positives (..., 3), or NaN after a prediction of NaN that counts.

        Raises:
            ValueError: the negative class does not exist.
        """
        xp, classes = ctx.xp, max(2, y.shape[-1])
        if self.negative >= classes:
            raise ValueError(f"negative: there are {classes} classes (got {self.negative}); allowed: 0 ... {classes - 1}")
        answer = y.argmax(-1) if y.shape[-1] > 1 else (y[..., 0] > 0.5).astype(t.dtype)
        guessed, true = answer != self.negative, t != self.negative
        right = guessed & (answer == t)
        weight = xp.ones_like(right, dtype=y.dtype) if mask is None else mask + 0 * right.astype(y.dtype)
        undefined = (y != y).any(-1) & (weight > 0)
        core = tuple(range(len(ctx.replicas) - right.ndim, 0))
        totals = xp.stack([(a * weight).sum(core) for a in (right, guessed, true | (right & ~right))], -1)
        return xp.where(undefined.any(core)[..., None], xp.full_like(totals, xp.nan), totals)
