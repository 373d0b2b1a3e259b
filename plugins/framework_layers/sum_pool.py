from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from framework import Array, Context, Params, Shape, option
from framework_layers._windows import offsets, pooled_shape


@dataclass(frozen=True)
class SumPool:
    """y = the sum of each window; each of its values gets dy.

    Shapes: x (..., N, C, H, W), y (..., N, C, Ho, Wo), Ho = (H - size) // stride + 1, Wo likewise.
    """

    per_example: ClassVar[bool] = True
    size: int = option(2, least=1, help="height and width of a window")
    stride: int | None = option(None, least=1, help="distance between windows; null: size")

    def init(self, rng: np.random.Generator, in_shape: Shape) -> tuple[Params, Shape]:
        return {}, pooled_shape(in_shape, self.size, self.stride or self.size)

    def forward(self, p: Params, x: Array, ctx: Context) -> tuple[Array, Any]:
        stride = self.stride or self.size
        *lead, H, W = x.shape
        y = ctx.xp.zeros_like(x, shape=(*lead, (H - self.size) // stride + 1, (W - self.size) // stride + 1))
        for window in offsets(y.shape, self.size, stride):
            y += x[window]
        return y, x.shape

    def backward(self, p: Params, cache: Any, dy: Array, ctx: Context, need_dx: bool = True) -> tuple[Array | None, Params]:
        if not need_dx:
            return None, {}
        dx = ctx.xp.zeros_like(dy, shape=(*dy.shape[:-2], *cache[-2:]))
        for window in offsets(dy.shape, self.size, self.stride or self.size):
            dx[window] += dy
        return dx, {}

    @staticmethod
    def examples() -> list[tuple[SumPool, Shape]]:
        return [(SumPool(), (2, 4, 4)), (SumPool(3, 1), (1, 5, 4))]
