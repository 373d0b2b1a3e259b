from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from framework import Array, Context, option
from framework_losses._class_weights import Weights, check_number, checked, of_classes
from framework_losses._reduction import Reduction, columns, same_axes, weighted_sum, weights


@dataclass(frozen=True)
class SoftmaxCrossEntropy:
    """J = mean over examples of -sum_k t_k log p_k,  p_k = e^y_k / sum_j e^y_j;  dy = (p - t) / n, softmax and logarithm
    together.

    `smoothing` s replaces t by (1 - s) t + s / K, also in the loss of validations (Szegedy et al. 2016). `class_weights` c
    makes rare classes count more: J = -sum over examples of sum_k c_k t_k log p_k / sum of c_class, a weighted mean. With
    c_k = n / (K n_k) all classes have the same share. Both are as in PyTorch, also together; targets that are
    probabilities weigh sum_k c_k t_k there too, where PyTorch divides by n.

    Shapes: y, dy (..., [T,] N, K) raw outputs; t integers (..., [T,] N), or probabilities (..., [T,] N, K);
    mask (..., [T,] N); J (...); n = N, or T N with time. The largest output is subtracted first: softmax does not change,
    nothing overflows. An output of -inf has probability 0: its loss is 0, unless t is above 0 there.
    """

    targets: ClassVar[tuple[str, ...]] = ("label",)
    outputs: ClassVar[str] = "raw"
    soft_labels: ClassVar[bool] = True
    reduction: Reduction = option("mean", help="reduction over examples: mean, sum, or sum over time only")
    smoothing: float | Array = option(
        0.0, least=0, most=1, stackable=True, help="share of the target spread over all classes"
    )
    class_weights: Weights = option(None, help="a weight for each class, by number; null: all are 1")

    def __post_init__(self) -> None:
        checked(self.class_weights, "class_weights")

    def check(self, kind: str, K: int) -> None:
        """Check that every class has a weight.

        Raises:
            ValueError: the numbers of classes and weights differ.
        """
        check_number(self.class_weights, "class_weights", "classes", K)

    def example_weights(self, t: Array, ctx: Context, mask: Array | None) -> Array | None:
        """The weights (..., [T,] N) by whose sum the mean divides: the mask, times those of the classes."""
        if self.class_weights is None:
            return mask
        own = of_classes(self.class_weights, t, ctx)
        return own if mask is None else own * mask

    def __call__(self, y: Array, t: Array, ctx: Context, mask: Array | None = None) -> tuple[Array, Array]:
        xp = ctx.xp
        by = None if self.class_weights is None else self.example_weights(t, ctx, mask).astype(y.dtype)
        w = columns(weights(y.shape[:-1], ctx, mask, self.reduction, by))
        hard = t.ndim < y.ndim
        if hard:
            t = t[..., None] == xp.arange(y.shape[-1])
        same_axes(y, t)
        t, hard = self._spread(t, y, ctx, hard)
        z = y - y.max(-1, keepdims=True)
        e = xp.exp(z)
        total = e.sum(-1, keepdims=True)
        # Where t is 0 the logarithm is not counted, even if it is infinite: an output of -inf means probability 0.
        value = -weighted_sum(xp.where(t == 0, xp.zeros_like(z), (z - xp.log(total)) * t), w, ctx)
        mass = 1.0 if hard else t.sum(-1, keepdims=True)
        dy = e * (mass / total) - t
        return value, dy * w

    def _spread(self, t: Array, y: Array, ctx: Context, hard: bool) -> tuple[Any, bool]:
        """The targets with smoothing and weights, and whether they still sum to 1."""
        K = y.shape[-1]
        if not isinstance(self.smoothing, int | float) or self.smoothing > 0:
            s = ctx.per(self.smoothing, y)
            t = t.astype(y.dtype) * (1 - s) + s * (1 / K)
        if self.class_weights is None:
            return t, hard
        check_number(self.class_weights, "class_weights", "classes", K)
        return t * ctx.xp.asarray(np.array(self.class_weights), y.dtype), False

    def predict(self, y: Array, ctx: Context) -> Array:
        """p = softmax(y)."""
        e = ctx.xp.exp(y - y.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)
