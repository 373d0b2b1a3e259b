from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from framework import Array, Context, option
from framework_losses._reduction import Reduction, columns, same_axes, weighted_sum, weights


@dataclass(frozen=True)
class Huber:
    """J = mean over examples and features of 1/2 d^2 where |d| <= delta, else delta (|d| - 1/2 delta), for d = y - t;
    dy = max(-delta, min(d, delta)) / (n F).

    Squared near the target, absolute beyond `delta`: the gradient of an outlier does not grow (Huber 1964). With a large
    delta it is half of mse; divided by delta it is PyTorch's SmoothL1Loss(beta=delta), which for a small delta is mae. The
    default is PyTorch's.

    Shapes: y, t, dy (..., [T,] N, F), mask (..., [T,] N), J (...); n = N, or T N with time.
    """

    targets: ClassVar[tuple[str, ...]] = ("real",)
    delta: float | Array = option(1.0, above=0, stackable=True, help="largest |y - t| that is squared, in the target's unit")
    reduction: Reduction = option("mean", help="reduction over examples: mean, sum, or sum over time only")

    def __call__(self, y: Array, t: Array, ctx: Context, mask: Array | None = None) -> tuple[Array, Array]:
        same_axes(y, t)
        xp, d = ctx.xp, y - t
        delta = ctx.per(self.delta, d)
        near = xp.maximum(xp.minimum(d, delta), -delta)
        losses = (near * (d - 0.5 * near)).mean(-1)  # 1/2 d^2 where near is d, else delta |d| - 1/2 delta^2
        w = weights(y.shape[:-1], ctx, mask, self.reduction)
        return weighted_sum(losses, w, ctx), near * (columns(w) * (1 / y.shape[-1]))
