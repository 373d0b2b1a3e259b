from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from framework import Array, Context, option
from framework_losses._class_weights import check_number, checked
from framework_losses._reduction import Reduction, columns, target_columns, weighted_sum, weights


@dataclass(frozen=True)
class BinaryCrossEntropy:
    """J = mean over examples and columns of -t log s - (1 - t) log(1 - s),  s = sigmoid(y);  dy = (s - t) / (n F).

    `pos_weight` w makes rare positives count more: -w t log s - (1 - t) log(1 - s), with dy = (s (1 + (w - 1) t) - w t) /
    (n F). It is one number, or one for each column: with negatives / positives both count the same. J is still divided by
    n F, as in PyTorch.

    Shapes: y, dy (..., [T,] N, F) raw outputs; t, 0 or 1 or between, (..., [T,] N, F), or integers (..., [T,] N) if
    F = 1; mask (..., [T,] N); J (...); n = N, or T N with time. Every column is a separate label (several labels may
    hold at once). Computed as max(y, 0) - y t + log(1 + e^-|y|): nothing overflows; an infinite output that is right
    has a loss of 0.
    """

    targets: ClassVar[tuple[str, ...]] = ("columns", "binary")
    outputs: ClassVar[str] = "raw"
    soft_labels: ClassVar[bool] = True
    reduction: Reduction = option("mean", help="reduction over examples: mean, sum, or sum over time only")
    pos_weight: float | tuple[float, ...] = option(1.0, help="weight of examples of class 1; a list: for each column")

    def __post_init__(self) -> None:
        checked(_listed(self.pos_weight), "pos_weight")

    def check(self, kind: str, K: int) -> None:
        """Check that every column has a weight.

        Raises:
            ValueError: the numbers of columns and weights differ.
        """
        if isinstance(self.pos_weight, tuple):
            check_number(self.pos_weight, "pos_weight", "label columns", 1 if kind == "binary" else K)

    def __call__(self, y: Array, t: Array, ctx: Context, mask: Array | None = None) -> tuple[Array, Array]:
        xp = ctx.xp
        t = target_columns(y, t)
        positive, both = self._weighted(t, ctx)
        size, wrong = xp.abs(y), xp.where(y > 0, 1 - t, positive)  # max(y, 0) - y t = |y| wrong, also where |y| is infinite
        log, s = xp.log1p(xp.exp(-size)), self.predict(y, ctx)
        if both is not None:
            log, s = both * log, both * s
        losses = (xp.where(wrong == 0, xp.zeros_like(y), size * wrong) + log).mean(-1)
        w = weights(y.shape[:-1], ctx, mask, self.reduction)
        return weighted_sum(losses, w, ctx), (s - positive) * (columns(w) * (1 / y.shape[-1]))

    def _weighted(self, t: Array, ctx: Context) -> tuple[Array, Array | None]:
        """w t, and 1 - t + w t, or None if that is 1."""
        if self.pos_weight == 1:
            return t, None
        self.check("columns", t.shape[-1])
        positive = t * ctx.xp.asarray(np.array(_listed(self.pos_weight)), t.dtype)
        return positive, 1 - t + positive

    def predict(self, y: Array, ctx: Context) -> Array:
        """s = sigmoid(y)."""
        xp = ctx.xp
        return xp.exp(xp.minimum(y, 0)) / (1 + xp.exp(-xp.abs(y)))


def _listed(weight: float | tuple[float, ...]) -> tuple[float, ...]:
    return weight if isinstance(weight, tuple) else (weight,)
