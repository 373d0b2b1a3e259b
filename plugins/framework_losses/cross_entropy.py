from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from framework import Array, Context, option
from framework_losses._reduction import Reduction, columns, same_axes, weighted_sum, weights


@dataclass(frozen=True)
class CrossEntropy:
    """H(t, y) = mean over examples of -sum_k t_k log y_k;  dy = -t / y / n, for y that are probabilities already.

    Shapes: y, dy (..., [T,] N, K) probabilities, from a softmax node say; t integers (..., [T,] N), or one-hot or soft
    targets (..., [T,] N, K); mask (..., [T,] N); H (...). On raw outputs use softmax_cross_entropy: the same numbers,
    without the rounding near 0.

    Below `floor` the logarithm continues as its tangent there, log floor + y / floor - 1. A probability that was rounded to
    0 then has the loss 1 - log floor (28.6) and not infinity. Its gradient is -t / floor, finite and not 0.
    """

    targets: ClassVar[tuple[str, ...]] = ("label",)
    outputs: ClassVar[str] = "probability"
    soft_labels: ClassVar[bool] = True
    floor: float | Array = option(1e-12, above=0, below=1, stackable=True, help="probability below which the log is linear")
    reduction: Reduction = option("mean", help="reduction over examples: mean, sum, or sum over time only")

    def __call__(self, y: Array, t: Array, ctx: Context, mask: Array | None = None) -> tuple[Array, Array]:
        xp = ctx.xp
        if t.ndim < y.ndim:
            t = t[..., None] == xp.arange(y.shape[-1])
        same_axes(y, t)
        safe = xp.maximum(y, ctx.per(self.floor, y))
        w = weights(y.shape[:-1], ctx, mask, self.reduction)
        logs = xp.log(safe) + (y / safe - 1)  # the term in brackets is 0 above the floor
        return -weighted_sum((logs * t).sum(-1), w, ctx), -t.astype(y.dtype) / safe * columns(w)
