from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from framework import Array, Context, Params, Shape, option
from framework_layers._windows import Pair, Windows, inner, pooled_shape, surrounded, windows


@dataclass(frozen=True)
class SumPool:
    """y = the sum of each window; each of its values gets dy.

    Shapes: x (..., N, C, H, W), y (..., N, C, Ho, Wo), Ho = (H + 2 padding - size) // stride + 1, Wo likewise;
    size, stride and padding are numbers or [rows, columns]. Padding adds zeros.
    """

    per_example: ClassVar[bool] = True
    size: int | Pair = option(2, least=1, help="height and width of a window, one number or [height, width]")
    stride: int | Pair | None = option(
        None, least=1, help="distance between windows, one number or [rows, columns]; null: size"
    )
    padding: int | Pair = option(0, least=0, help="zeros at each end, one number or [rows, columns]; at most half of size")

    def init(self, rng: np.random.Generator, in_shape: Shape) -> tuple[Params, Shape]:
        return {}, pooled_shape(in_shape, self.size, self.size if self.stride is None else self.stride, self.padding)

    def forward(self, p: Params, x: Array, ctx: Context) -> tuple[Array, Any]:
        at = self._windows(x.shape[-2:])
        x = surrounded(x, at.frame, 0, ctx.xp)
        y = ctx.xp.zeros_like(x, shape=(*x.shape[:-2], *at.out))
        for i, j in at.places:
            y += x[..., i, j]
        return y, (x.shape[-2:], at)

    def backward(self, p: Params, cache: Any, dy: Array, ctx: Context, need_dx: bool = True) -> tuple[Array | None, Params]:
        if not need_dx:
            return None, {}
        shape, at = cache
        dx = ctx.xp.zeros_like(dy, shape=(*dy.shape[:-2], *shape))
        for i, j in at.places:
            dx[..., i, j] += dy
        return inner(dx, at.frame), {}

    def _windows(self, n: Pair) -> Windows:
        return windows(n, self.size, self.size if self.stride is None else self.stride, self.padding)

    @staticmethod
    def examples() -> list[tuple[SumPool, Shape]]:
        padded = SumPool((3, 2), (2, 1), 1)
        return [(SumPool(), (2, 4, 4)), (SumPool(3, 1), (1, 5, 4)), (padded, (1, 5, 4))]
