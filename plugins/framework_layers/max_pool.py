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
        *lead, H, W = x.shape
        out = (*lead, (H - self.size) // stride + 1, (W - self.size) // stride + 1)
        y, where = None, None
        for k, window in enumerate(offsets(out, self.size, stride)):
            a = x[window]
            if y is None:
                y, where = a.copy(), ctx.xp.zeros(out, np.int8)
                continue
            where = ctx.xp.maximum(where, (a > y) * np.int8(k))  # k grows, so the newest place wins
            y = ctx.xp.maximum(y, a)
        return y, (where, x.shape, x.dtype)

    def backward(self, p: Params, cache: Any, dy: Array, ctx: Context, need_dx: bool = True) -> tuple[Array | None, Params]:
        where, shape, dtype = cache
        if not need_dx:
            return None, {}
        lead = dy.shape[: len(ctx.replicas)]
        dx = ctx.xp.zeros((*lead, *shape[len(lead) :]), dtype)
        for k, window in enumerate(offsets(dy.shape, self.size, self.stride or self.size)):
            dx[window] += dy * (where == k)
        return dx, {}

    @staticmethod
    def examples() -> list[tuple[MaxPool, Shape]]:
        return [(MaxPool(), (2, 4, 4)), (MaxPool(3, 1), (1, 5, 4))]
