from __future__ import annotations

from dataclasses import dataclass
from math import log, pi
from typing import ClassVar

from framework import Array, Context, option
from framework_losses._reduction import Reduction, columns, weighted_sum, weights


@dataclass(frozen=True)
class GaussianNll:
    """J = mean over examples and features of 1/2 (log 2 pi + s + (t - m)^2 e^-s), y = (m, s): the negative log-likelihood
    of t under N(m, e^s), with a variance e^s for every example (Nix & Weigend 1994).

    dm = (m - t) e^-s / (n F),  ds = (1 - (t - m)^2 e^-s) / (2 n F).

    Shapes: y, dy (..., [T,] N, 2 F): F means m, then F logarithms of variances s; t (..., [T,] N, F); mask (..., [T,] N);
    J (...); n = N, or T N with time. `units: auto` gives the last layer 2 F units. The prediction is m. With m and the best
    constant s, J is 1/2 (1 + log(2 pi mse)). An s below `floor` counts as `floor`: a residual near 0
    cannot make J fall without end. Default floor: a deviation of 1e-3, for targets of about unit size.

    Raises:
        ValueError: y does not have twice as many columns as t.
    """

    targets: ClassVar[tuple[str, ...]] = ("real",)
    floor: float | Array = option(-13.8, stackable=True, help="smallest log variance that counts")
    reduction: Reduction = option("mean", help="reduction over examples: mean, sum, or sum over time only")

    @staticmethod
    def width(K: int) -> int:
        """The columns of y for a target of K columns."""
        return 2 * K

    def __call__(self, y: Array, t: Array, ctx: Context, mask: Array | None = None) -> tuple[Array, Array]:
        xp, F = ctx.xp, t.shape[-1]
        if y.ndim != t.ndim or y.shape[-2:] != (t.shape[-2], 2 * F):
            raise ValueError(
                f"the output {y.shape} needs twice as many columns as the target {t.shape}: means, log variances"
            )
        m, raw = y[..., :F], y[..., F:]
        s = xp.maximum(raw, ctx.per(self.floor, y))
        d, precision = m - t, xp.exp(-s)
        square = d * d * precision
        losses = (s + square).mean(-1) * 0.5 + 0.5 * log(2 * pi)
        w = weights(y.shape[:-1], ctx, mask, self.reduction)
        ds = xp.where(raw < s, xp.zeros_like(s), 0.5 * (1 - square))
        dy = xp.concatenate([d * precision, ds], -1)
        return weighted_sum(losses, w, ctx), dy * (columns(w) * (1 / F))

    def predict(self, y: Array, ctx: Context) -> Array:
        """m."""
        return y[..., : y.shape[-1] // 2]
