from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from framework import Array, Context, option
from framework_losses._reduction import Reduction, columns, weighted_sum, weights


@dataclass(frozen=True)
class MaxMargin:
    """J = mean over examples of max(0, margin + s_c - s): the true s must exceed the corrupt s_c by the margin.

    Where margin + s_c - s > 0 the gradients are ds = -1 / n and ds_c = 1 / n, elsewhere 0, and 0 at the hinge itself.
    So J decreases as s increases, dJ/dW = -delta(x) a(x) + delta(x_c) a(x_c); the lecture notes print the sign of ds/dW
    (see errata).

    Shapes: y = (s, s_c), each (..., [T,] N, F), every column a separate score, or (..., N); dy the same; mask
    (..., [T,] N); J (...). There is no target. Its head names two nodes, that of the true example first:
    `{type: max_margin, from: [score, score_c], target: null}`; `share` gives two towers the same weights. The notes' margin
    is 1 (Collobert & Weston 2008). The prediction is both scores, concatenated.
    """

    targets: ClassVar[tuple[str, ...]] = ()
    sources: ClassVar[int] = 2
    margin: float | Array = option(1.0, least=0, stackable=True, help="by how much s must exceed s_c")
    reduction: Reduction = option("mean", help="reduction over examples: mean, sum, or sum over time only")

    def __call__(
        self, y: tuple[Array, Array], t: None, ctx: Context, mask: Array | None = None
    ) -> tuple[Array, tuple[Array, Array]]:
        s, s_c = (_with_columns(scores, ctx) for scores in y)
        if s.shape[-2:] != s_c.shape[-2:] or y[0].ndim != y[1].ndim:
            raise ValueError(f"the scores {y[0].shape} and {y[1].shape} must have the same axes (..., [T,] N, F)")
        gap = s_c - s + ctx.per(self.margin, s)
        w = weights(gap.shape[:-1], ctx, mask, self.reduction)
        ds_c = (gap > 0).astype(gap.dtype) * (columns(w) * (1 / gap.shape[-1]))
        if y[0].ndim < s.ndim:
            ds_c = ds_c[..., 0]
        return weighted_sum(ctx.xp.maximum(gap, 0).mean(-1), w, ctx), (-ds_c, ds_c)

    def predict(self, y: tuple[Array, Array], ctx: Context) -> Array:
        """(s, s_c) concatenated, (..., [T,] N, 2 F)."""
        return ctx.xp.concatenate(ctx.xp.broadcast_arrays(*(_with_columns(scores, ctx) for scores in y)), -1)


def _with_columns(scores: Array, ctx: Context) -> Array:
    """(..., N) as (..., N, 1)."""
    return scores[..., None] if scores.ndim == len(ctx.replicas) + 1 else scores
