from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from framework import Array, Context, option
from framework_losses._reduction import Reduction, columns, same_axes, weighted_sum, weights


@dataclass(frozen=True)
class HalfSquaredError:
    """J = mean over examples of 1/2 |y - t|^2, features summed;  dy = (y - t) / n.

    Shapes: y, t, dy (..., [T,] N, F), mask (..., [T,] N), J (...); n = N, or T N with time. The half makes the gradient of
    one example y - t.
    """

    targets: ClassVar[tuple[str, ...]] = ("real",)
    reduction: Reduction = option("mean", help="reduction over examples: mean, sum, or sum over time only")

    def __call__(self, y: Array, t: Array, ctx: Context, mask: Array | None = None) -> tuple[Array, Array]:
        same_axes(y, t)
        d = y - t
        losses = (d * d).sum(-1) * 0.5
        w = weights(y.shape[:-1], ctx, mask, self.reduction)
        return weighted_sum(losses, w, ctx), d * columns(w)
