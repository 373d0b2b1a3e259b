from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from framework import Array, Context, Params, Shape
from framework_layers.sum_pool import SumPool


@dataclass(frozen=True)
class AveragePool(SumPool):
    """y = the mean of each window, the sum of sum_pool divided by size^2; each of its values gets dy / size^2.

    Shapes: x (..., N, C, H, W), y (..., N, C, Ho, Wo), Ho = (H - size) // stride + 1, Wo likewise.
    """

    def forward(self, p: Params, x: Array, ctx: Context) -> tuple[Array, Any]:
        y, cache = super().forward(p, x, ctx)
        return y / self.size**2, cache

    def backward(self, p: Params, cache: Any, dy: Array, ctx: Context, need_dx: bool = True) -> tuple[Array | None, Params]:
        return super().backward(p, cache, dy / self.size**2, ctx, need_dx)

    @staticmethod
    def examples() -> list[tuple[SumPool, Shape]]:
        return [(AveragePool(), (2, 4, 4)), (AveragePool(3, 1), (1, 5, 4))]
