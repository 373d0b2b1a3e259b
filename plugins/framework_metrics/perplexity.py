from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from framework import Array, Context


@dataclass(frozen=True)
class Perplexity:
    """exp(mean of -log p_t), p_t the probability of the right class: between how many equally likely ones a network wavers.

    Shapes: y probabilities (..., [T,] N, K), of a single column that of class 1; t integers (..., [T,] N); mask
    (..., [T,] N) weights; counts (..., 2): the sum of -log p_t, and of the weights. 1 is certain and right, K is uniform;
    a right class of probability 0 makes it infinite. With cross-entropy it is exp(loss) of the split. Penn Treebank's
    words are measured in it (Mikolov et al. 2010; Zaremba et al. 2014).
    """

    lower_is_better: ClassVar[bool] = True
    targets: ClassVar[tuple[str, ...]] = ("label",)

    def count(self, y: Array, t: Array, ctx: Context, mask: Array | None = None) -> Array:
        xp = ctx.xp
        if y.shape[-1] == 1:
            right = xp.where(t == 1, y[..., 0], 1 - y[..., 0])
        else:
            right = xp.where(t[..., None] == xp.arange(y.shape[-1]), y, xp.zeros_like(y)).sum(-1)
        weight = xp.ones_like(right) if mask is None else mask + 0 * right
        losses = xp.where(weight > 0, -xp.log(right), xp.zeros_like(right))
        core = tuple(range(len(ctx.replicas) - right.ndim, 0))
        return xp.stack([(losses * weight).sum(core), weight.sum(core)], -1)

    def value(self, counts: Array, ctx: Context) -> Array:
        mean: Array = ctx.xp.exp(counts[..., 0] / counts[..., 1])
        return mean
