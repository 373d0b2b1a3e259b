from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from framework import Array, Context, option


@dataclass(frozen=True)
class TopKAccuracy:
    """The fraction of examples whose class is among the k most likely ones.

    Of equal predictions that of the smaller class number comes first, so that k = 1 is accuracy. Five of a thousand classes
    is the measure of ImageNet (Russakovsky et al. 2015).

    Shapes: y predictions (..., [T,] N, K); t integers (..., [T,] N); mask (..., [T,] N) weights; counts (..., 2): right
    answers, answers. A prediction of NaN that counts makes it NaN. k must be smaller than K: among all classes every answer
    is right.
    """

    targets: ClassVar[tuple[str, ...]] = ("label",)
    k: int = option(5, least=1, help="how many classes; fewer than there are")

    def check(self, kind: str, K: int) -> None:
        """Check that there are more than k classes.

        Raises:
            ValueError: there are not.
        """
        if self.k >= K:
            raise ValueError(f"k: there are {K} classes (got {self.k}); allowed: 1 ... {K - 1}")

    def count(self, y: Array, t: Array, ctx: Context, mask: Array | None = None) -> Array:
        xp = ctx.xp
        if y.shape[-1] == 1:
            y = xp.concatenate([1 - y, y], -1)
        self.check("label", y.shape[-1])
        classes, own = xp.arange(y.shape[-1]), t[..., None]
        p = xp.where(own == classes, y, xp.zeros_like(y)).sum(-1, keepdims=True)
        before = (y > p) | ((y == p) & (classes < own))
        right = before.sum(-1) < self.k
        weight = xp.ones_like(right, dtype=y.dtype) if mask is None else mask + 0 * right
        right = xp.where((y != y).any(-1) & (weight > 0), xp.full_like(weight, xp.nan), right)
        core = tuple(range(len(ctx.replicas) - right.ndim, 0))
        return xp.stack([(right * weight).sum(core), weight.sum(core)], -1)

    def value(self, counts: Array) -> Array:
        return counts[..., 0] / counts[..., 1]

    @staticmethod
    def examples() -> list[tuple[TopKAccuracy, None]]:
        return [(TopKAccuracy(1), None)]
