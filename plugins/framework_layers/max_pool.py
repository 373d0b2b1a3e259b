from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from framework import Array, Context, Params, Shape, option
from framework_layers.windows import offsets, pooled_shape


@dataclass(frozen=True)
class MaxPool:
    """y = the largest number of each window; dy goes to where it was, to the first place if there are several.

    Shapes: x (..., N, C, H, W), y (..., N, C, Ho, Wo), Ho = (H - size) // stride + 1, Wo likewise.
    """

    per_example: ClassVar[bool] = True
    size: int = option(2, least=1, help="height and width of a window")
    stride: int | None = option(None, least=1, help="from one window to the next; null: size")

    def init(self, rng: np.random.Generator, in_shape: Shape) -> tuple[Params, Shape]:
        return {}, pooled_shape(in_shape, self.size, self.stride or self.size)

    def forward(self, p: Params, x: Array, ctx: Context) -> tuple[Array, Any]:
        stride = self.stride or self.size
        out = pooled_shape(x.shape[-3:], self.size, stride)
        first, *others = offsets(out, self.size, stride)
        y, where = x[first], ctx.xp.zeros_like(x[first], dtype=np.int8)
        for k, window in enumerate(others, 1):
            a = x[window]
            where = ctx.xp.maximum(where, (a > y) * np.int8(k))  # k grows, so the newest place wins
            y = ctx.xp.maximum(y, a)
        return y, (where, x.shape[-2:])

    def backward(self, p: Params, cache: Any, dy: Array, ctx: Context, need_dx: bool = True) -> tuple[Array | None, Params]:
        where, size = cache
        if not need_dx:
            return None, {}
        like = {"dtype": dy.dtype, "order": "K"}  # memory in the order that x has, whatever dy's is
        dx = ctx.xp.zeros_like(where, shape=(*dy.shape[:-2], *size), **like)
        ordered = ctx.xp.empty_like(where, shape=dy.shape, **like)
        ordered[...] = dy
        for k, window in enumerate(offsets(dy.shape, self.size, self.stride or self.size)):
            dx[window] += ordered * (where == k)
        return dx, {}

    @staticmethod
    def examples() -> list[tuple[MaxPool, Shape]]:
        return [(MaxPool(), (2, 4, 4)), (MaxPool(3, 1), (1, 5, 4))]
