from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from framework import Array, Context, option
from framework_losses._reduction import Reduction, columns, same_axes, weighted_sum, weights


@dataclass(frozen=True)
class SoftmaxCrossEntropy:
    """J = mean over examples of -sum_k t_k log p_k,  p_k = e^y_k / sum_j e^y_j;  dy = (p - t) / n, softmax and logarithm
    together.

    Shapes: y, dy (..., [T,] N, K) raw outputs; t integers (..., [T,] N), or probabilities (..., [T,] N, K);
    mask (..., [T,] N); J (...); n = N, or T N with time. The largest output is subtracted first: softmax does not change,
    nothing overflows. An output of -inf has probability 0: its loss is 0, unless t is above 0 there.
    """

    targets: ClassVar[tuple[str, ...]] = ("label",)
    outputs: ClassVar[str] = "raw"
    soft_labels: ClassVar[bool] = True
    reduction: Reduction = option("mean", help="reduction over examples: mean, sum, or sum over time only")

    def __call__(self, y: Array, t: Array, ctx: Context, mask: Array | None = None) -> tuple[Array, Array]:
        xp = ctx.xp
        hard = t.ndim < y.ndim
        if hard:
            t = t[..., None] == xp.arange(y.shape[-1])
        same_axes(y, t)
        z = y - y.max(-1, keepdims=True)
        e = xp.exp(z)
        total = e.sum(-1, keepdims=True)
        w = columns(weights(y.shape[:-1], ctx, mask, self.reduction))
        # Where t is 0 the logarithm is not counted, even if it is infinite: an output of -inf means probability 0.
        value = -weighted_sum(xp.where(t == 0, xp.zeros_like(z), (z - xp.log(total)) * t), w, ctx)
        mass = 1.0 if hard else t.sum(-1, keepdims=True)
        dy = e * (mass / total) - t
        return value, dy * w

    def predict(self, y: Array, ctx: Context) -> Array:
        """p = softmax(y)."""
        e = ctx.xp.exp(y - y.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)
