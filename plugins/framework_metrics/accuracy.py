from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from framework import Array, Context, option


@dataclass(frozen=True)
class Accuracy:
    """The fraction of correct predictions: argmax_k y_k = t, or for a single column and for several labels, (y > threshold)
    = t.

    Shapes: y predictions (..., [T,] N, K); t integers (..., [T,] N), or columns (..., [T,] N, K), each a separate
    label; mask (..., [T,] N); counts (..., 2): right answers, answers. A prediction of NaN that counts makes it NaN.
    """

    targets: ClassVar[tuple[str, ...]] = ("label", "binary", "columns")
    threshold: float = option(0.5, above=0, below=1, help="a column above it predicts 1")

    def count(self, y: Array, t: Array, ctx: Context, mask: Array | None = None) -> Array:
        if t.ndim == y.ndim:
            right = ((y > self.threshold) == (t > 0.5)).mean(-1)
        elif y.shape[-1] == 1:
            right = (y[..., 0] > self.threshold) == t
        else:
            right = y.argmax(-1) == t
        weight = ctx.xp.ones_like(right, dtype=y.dtype) if mask is None else mask + 0 * right
        right = ctx.xp.where((y != y).any(-1) & (weight > 0), ctx.xp.full_like(weight, ctx.xp.nan), right)
        core = tuple(range(len(ctx.replicas) - right.ndim, 0))
        return ctx.xp.stack([(right * weight).sum(core), weight.sum(core)], -1)

    def value(self, counts: Array) -> Array:
        return counts[..., 0] / counts[..., 1]
