from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from framework import Array, Context, option
from framework_losses._reduction import Reduction, columns, same_axes, weighted_sum, weights


@dataclass(frozen=True)
class MeanAbsoluteError:
    """J = mean over examples and features of |y - t|;  dy = sign(y - t) / (n F), 0 where y = t.

    Shapes: y, t, dy (..., [T,] N, F), mask (..., [T,] N), J (...); n = N, or T N with time. Less affected by outliers than
        the
    squared error; its gradient does not shrink near the target.
    """

    targets: ClassVar[tuple[str, ...]] = ("real",)
    reduction: Reduction = option("mean", help="reduction over examples: mean, sum, or sum over time only")

    def __call__(self, y: Array, t: Array, ctx: Context, mask: Array | None = None) -> tuple[Array, Array]:
        same_axes(y, t)
        d = y - t
        w = weights(y.shape[:-1], ctx, mask, self.reduction)
        return weighted_sum(ctx.xp.abs(d).mean(-1), w, ctx), ctx.xp.sign(d) * (columns(w) * (1 / y.shape[-1]))
