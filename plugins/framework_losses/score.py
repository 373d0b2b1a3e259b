from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from framework import Array, Context, option
from framework_losses._reduction import Reduction, columns, weighted_sum, weights


@dataclass(frozen=True)
class Score:
    """J = mean over examples of y, features summed;  dy = 1 / n: the output itself, to inspect its gradient.

    Shapes: y, dy (..., [T,] N, F), mask (..., [T,] N), J (...); n = N, or T N with time. There is no target:
    `heads.score={type:score,target:null}`. For one example and one output dJ/dW is the dy/dW of textbooks; training
    decreases y without a bound.
    """

    targets: ClassVar[tuple[str, ...]] = ()
    sources: ClassVar[int] = 1
    reduction: Reduction = option("mean", help="reduction over examples: mean, sum, or sum over time only")

    def __call__(self, y: Array, t: None, ctx: Context, mask: Array | None = None) -> tuple[Array, Array]:
        w = weights(y.shape[:-1], ctx, mask, self.reduction)
        return weighted_sum(y.sum(-1), w, ctx), ctx.xp.ones_like(y) * columns(w)
