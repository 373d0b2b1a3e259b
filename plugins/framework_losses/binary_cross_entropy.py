from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from framework import Array, Context, option
from framework_losses._reduction import Reduction, columns, same_axes, weighted_sum, weights


@dataclass(frozen=True)
class BinaryCrossEntropy:
    """J = mean over examples and columns of -t log s - (1 - t) log(1 - s),  s = sigmoid(y);  dy = (s - t) / (n F).

    Shapes: y, dy (..., [T,] N, F) raw outputs; t, 0 or 1 or between, (..., [T,] N, F), or integers (..., [T,] N) if
    F = 1; mask (..., [T,] N); J (...); n = N, or T N with time. Every column is a separate label (several labels may
    hold at once). Computed as max(y, 0) - y t + log(1 + e^-|y|): nothing overflows; an infinite output that is right
    has a loss of 0.
    """

    targets: ClassVar[tuple[str, ...]] = ("columns", "binary")
    outputs: ClassVar[str] = "raw"
    soft_labels: ClassVar[bool] = True
    reduction: Reduction = option("mean", help="reduction over examples: mean, sum, or sum over time only")

    def __call__(self, y: Array, t: Array, ctx: Context, mask: Array | None = None) -> tuple[Array, Array]:
        xp = ctx.xp
        if t.ndim < y.ndim:
            t = t[..., None]
        same_axes(y, t)
        t = t.astype(y.dtype)
        size, wrong = xp.abs(y), xp.where(y > 0, 1 - t, t)  # max(y, 0) - y t = |y| wrong, also where |y| is infinite
        losses = (xp.where(wrong == 0, xp.zeros_like(y), size * wrong) + xp.log1p(xp.exp(-size))).mean(-1)
        w = weights(y.shape[:-1], ctx, mask, self.reduction)
        return weighted_sum(losses, w, ctx), (self.predict(y, ctx) - t) * (columns(w) * (1 / y.shape[-1]))

    def predict(self, y: Array, ctx: Context) -> Array:
        """s = sigmoid(y)."""
        xp = ctx.xp
        return xp.exp(xp.minimum(y, 0)) / (1 + xp.exp(-xp.abs(y)))
