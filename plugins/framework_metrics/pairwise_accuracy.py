from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from framework import Array, Context, option


@dataclass(frozen=True)
class PairwiseAccuracy:
    """The fraction of pairs that are ranked right, s > s_c, and by the margin: s - s_c >= margin.

    With the margin 0, equal scores are not right. With that of the loss `max_margin` it is the fraction of pairs that have
    no loss.

    Shapes: y = (s, s_c), each (..., [T,] N, F), every column a separate score, or (..., N); mask (..., [T,] N); counts
    (..., 2): right pairs, pairs. There is no target. Its head names two nodes, that of the true example first. A score of
    NaN that counts makes it NaN.
    """

    raw: ClassVar[bool] = True
    targets: ClassVar[tuple[str, ...]] = ()
    sources: ClassVar[int] = 2
    margin: float | Array = option(0.0, least=0, stackable=True, help="by how much s must exceed s_c")

    def count(self, y: tuple[Array, Array], t: None, ctx: Context, mask: Array | None = None) -> Array:
        gap = y[0] - y[1]
        gap = gap[..., None] if gap.ndim == len(ctx.replicas) + 1 else gap
        right = ((gap > 0) & (gap >= ctx.per(self.margin, gap))).mean(-1)
        weight = ctx.xp.ones_like(right, dtype=gap.dtype) if mask is None else mask + 0 * right
        right = ctx.xp.where((gap != gap).any(-1) & (weight > 0), ctx.xp.full_like(weight, ctx.xp.nan), right)
        core = tuple(range(len(ctx.replicas) - right.ndim, 0))
        return ctx.xp.stack([(right * weight).sum(core), weight.sum(core)], -1)

    def value(self, counts: Array) -> Array:
        return counts[..., 0] / counts[..., 1]
