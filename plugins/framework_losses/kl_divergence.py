from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from framework import Array, Context, option
from framework_losses._reduction import Reduction, columns, same_axes, weighted_sum, weights


@dataclass(frozen=True)
class KlDivergence:
    """J = mean over examples of KL(t | p) = sum_k t_k (log t_k - log p_k),  p = softmax(y);  dy = (p sum_k t_k - t) / n.

    For targets that are probabilities: columns of real numbers which sum to 1, such as shares, or the outputs of another
    network (Hinton et al. 2015). It is 0 where p = t. Its gradient is that of softmax_cross_entropy, from which it
    subtracts the entropy of t. PyTorch: KLDivLoss(reduction="batchmean") of log_softmax(y).

    Shapes: y raw outputs, t, dy (..., [T,] N, K); mask (..., [T,] N); J (...); n = N, or T N with time. t log t is 0 for
    t = 0, and is left out for a t below 0, which is no probability. The prediction is p.
    """

    targets: ClassVar[tuple[str, ...]] = ("real",)
    own_unit: ClassVar[bool] = True
    outputs: ClassVar[str] = "raw"
    reduction: Reduction = option("mean", help="reduction over examples: mean, sum, or sum over time only")

    def __call__(self, y: Array, t: Array, ctx: Context, mask: Array | None = None) -> tuple[Array, Array]:
        same_axes(y, t)
        xp, z = ctx.xp, y - y.max(-1, keepdims=True)
        e = xp.exp(z)
        total = e.sum(-1, keepdims=True)
        logs = xp.log(xp.where(t > 0, t, xp.ones_like(t))) - (z - xp.log(total))
        w = weights(y.shape[:-1], ctx, mask, self.reduction)
        losses = xp.where(t == 0, xp.zeros_like(logs), t * logs).sum(-1)
        return weighted_sum(losses, w, ctx), (e * (t.sum(-1, keepdims=True) / total) - t) * columns(w)

    def predict(self, y: Array, ctx: Context) -> Array:
        """p = softmax(y)."""
        e = ctx.xp.exp(y - y.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)
