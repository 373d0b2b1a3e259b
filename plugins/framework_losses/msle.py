from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from framework import Array, Context, option
from framework_losses._reduction import Reduction, columns, same_axes, weighted_sum, weights


@dataclass(frozen=True)
class MeanSquaredLogError:
    """J = mean over examples and features of (log(1 + y) - log(1 + t))^2;  dy = 2 (log(1 + y) - log(1 + t)) / ((1 + y) n F).

    Shapes: y, t, dy (..., [T,] N, F), mask (..., [T,] N), J (...); n = N, or T N with time. The squared error of ratios, for
    targets that span powers of ten. Values of y and t below 0 count as 0: there the loss is flat.
    """

    targets: ClassVar[tuple[str, ...]] = ("real",)
    own_unit: ClassVar[bool] = True
    reduction: Reduction = option("mean", help="reduction over examples: mean, sum, or sum over time only")

    def __call__(self, y: Array, t: Array, ctx: Context, mask: Array | None = None) -> tuple[Array, Array]:
        same_axes(y, t)
        xp = ctx.xp
        d = xp.log1p(xp.maximum(y, 0)) - xp.log1p(xp.maximum(t, 0))
        w = weights(y.shape[:-1], ctx, mask, self.reduction)
        slope = (y > 0) / (1 + xp.maximum(y, 0))
        return weighted_sum((d * d).mean(-1), w, ctx), d * slope.astype(y.dtype) * (columns(w) * (2 / y.shape[-1]))
