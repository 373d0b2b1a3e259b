from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from framework import Array, Context, option
from framework_losses._class_weights import Weights, check_number, checked, of_classes
from framework_losses._reduction import Reduction, columns, weighted_sum, weights


@dataclass(frozen=True)
class Focal:
    """J = mean over examples of -alpha_t (1 - p_t)^gamma log p_t,  p = softmax(y), p_t of the right class.

    dy_k = alpha_t (gamma p_t (1 - p_t)^(gamma - 1) log p_t - (1 - p_t)^gamma) ([k = t] - p_k) / n.

    Examples that are right already count little: the many easy ones of a large class no longer hide the rare ones (Lin et
    al. 2017, whose gamma is 2). With gamma = 0 it is softmax_cross_entropy. `alpha` is a weight for each class; J is still
    divided by n. binary_focal is for two classes in one column, and for label columns.

    Shapes: y raw outputs, dy (..., [T,] N, K); t integers (..., [T,] N); mask (..., [T,] N); J (...); n = N, or T N with
    time. 1 - p_t is the sum of the other probabilities, without cancellation.
    """

    targets: ClassVar[tuple[str, ...]] = ("label",)
    outputs: ClassVar[str] = "raw"
    gamma: float | Array = option(2.0, least=0, stackable=True, help="how little an example counts that is nearly right")
    alpha: Weights = option(None, help="a weight for each class, by number; null: all are 1")
    reduction: Reduction = option("mean", help="reduction over examples: mean, sum, or sum over time only")

    def __post_init__(self) -> None:
        checked(self.alpha, "alpha")

    def check(self, kind: str, K: int) -> None:
        """Check that every class has a weight.

        Raises:
            ValueError: the numbers of classes and weights differ.
        """
        check_number(self.alpha, "alpha", "classes", K)

    def __call__(self, y: Array, t: Array, ctx: Context, mask: Array | None = None) -> tuple[Array, Array]:
        xp, K = ctx.xp, y.shape[-1]
        self.check("label", K)
        own = t[..., None] == xp.arange(K)
        z = y - y.max(-1, keepdims=True)
        e = xp.exp(z)
        total, nothing = e.sum(-1, keepdims=True), xp.zeros_like(e)
        log_p = xp.where(own, z - xp.log(total), nothing).sum(-1, keepdims=True)
        q = xp.where(own, nothing, e).sum(-1, keepdims=True) / total
        gamma = ctx.per(self.gamma, q)
        strength = xp.power(q, gamma)
        if self.alpha is not None:
            strength = strength * of_classes(self.alpha, t, ctx)[..., None].astype(y.dtype)
        slope = xp.where(q > 0, log_p / xp.where(q > 0, q, xp.ones_like(q)), -xp.ones_like(q))  # of the logarithm at 1: -1
        w = weights(y.shape[:-1], ctx, mask, self.reduction)
        dy = strength * (gamma * (1 - q) * slope - 1) * (own - e / total)
        return weighted_sum(-(strength * log_p)[..., 0], w, ctx), dy * columns(w)

    def predict(self, y: Array, ctx: Context) -> Array:
        """p = softmax(y)."""
        e = ctx.xp.exp(y - y.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)
