from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from framework import Array, Context, option
from framework_losses._reduction import Reduction, columns, target_columns, weighted_sum, weights


@dataclass(frozen=True)
class BinaryFocal:
    """J = mean over examples and columns of -a (1 - p)^gamma log p, p the probability of the truth: sigmoid(y) where t = 1,
    1 - sigmoid(y) where t = 0; a is alpha where t = 1, 1 - alpha where t = 0.

    dy = a s (gamma p (1 - p)^gamma log p - (1 - p)^(gamma + 1)) / (n F), s = 1 where t = 1, else -1.

    Examples that are right already count little. The defaults are those of Lin et al. (2017), for very many negatives that
    are easy. With gamma = 0 and alpha = 0.5 it is half of binary_cross_entropy.

    Shapes: y raw outputs, dy (..., [T,] N, F); t 0 or 1 (..., [T,] N, F), or integers (..., [T,] N) if F = 1; mask
    (..., [T,] N); J (...); n = N, or T N with time. Every column is a separate label.
    """

    targets: ClassVar[tuple[str, ...]] = ("columns", "binary")
    outputs: ClassVar[str] = "raw"
    gamma: float | Array = option(2.0, least=0, stackable=True, help="how little an example counts that is nearly right")
    alpha: float | Array = option(0.25, above=0, below=1, stackable=True, help="weight of class 1; 1 - alpha of class 0")
    reduction: Reduction = option("mean", help="reduction over examples: mean, sum, or sum over time only")

    def __call__(self, y: Array, t: Array, ctx: Context, mask: Array | None = None) -> tuple[Array, Array]:
        xp = ctx.xp
        t = target_columns(y, t)
        sign, alpha, gamma = 2 * t - 1, ctx.per(self.alpha, y), ctx.per(self.gamma, y)
        z = sign * y
        small = xp.exp(-xp.abs(z))
        log_p = xp.minimum(z, 0) - xp.log1p(small)
        q = xp.exp(xp.minimum(-z, 0)) / (1 + small)
        strength = (alpha * t + (1 - alpha) * (1 - t)) * xp.power(q, gamma)
        w = weights(y.shape[:-1], ctx, mask, self.reduction)
        dy = sign * strength * (gamma * (1 - q) * log_p - q)
        return weighted_sum(-(strength * log_p).mean(-1), w, ctx), dy * (columns(w) * (1 / y.shape[-1]))

    def predict(self, y: Array, ctx: Context) -> Array:
        """The probability of class 1, sigmoid(y)."""
        xp = ctx.xp
        return xp.exp(xp.minimum(y, 0)) / (1 + xp.exp(-xp.abs(y)))
