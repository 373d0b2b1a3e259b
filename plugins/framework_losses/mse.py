from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from framework import Array, Context, option
from framework_losses._reduction import Reduction, columns, same_axes, weighted_sum, weights


@dataclass(frozen=True)
class MeanSquaredError:
    """J = mean over examples and features of (y - t)^2;  dy = 2 (y - t) / (n F).

    Shapes: y, dy (..., [T,] N, F), t likewise, or of two classes integers 0 and 1 (..., [T,] N) where F = 1; mask
    (..., [T,] N), J (...); n = N, or T N with time. With `reduction: sum` examples are summed, features still averaged.
    After a sigmoid that is confident and wrong it gives small gradients: z = -10, t = 1 gives dJ/dz = -9.08e-5,
    cross-entropy -1.
    """

    targets: ClassVar[tuple[str, ...]] = ("real", "columns", "binary")
    reduction: Reduction = option("mean", help="reduction over examples: mean, sum, or sum over time only")

    def __call__(self, y: Array, t: Array, ctx: Context, mask: Array | None = None) -> tuple[Array, Array]:
        if t.ndim < y.ndim:
            t = t[..., None]
        same_axes(y, t)
        d = y - t.astype(y.dtype, copy=False)
        losses = (d * d).mean(-1)
        w = weights(y.shape[:-1], ctx, mask, self.reduction)
        return weighted_sum(losses, w, ctx), d * (columns(w) * (2 / y.shape[-1]))
