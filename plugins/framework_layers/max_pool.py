from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from framework import Array, Context, Params, Shape, option
from framework_layers._windows import pooled_shape, strips


@dataclass(frozen=True)
class MaxPool:
    """y = the largest value of each window; dy goes to its position, to the first one if there are several.

    Shapes: x (..., N, C, H, W), y (..., N, C, Ho, Wo), Ho = (H - size) // stride + 1, Wo likewise.
    """

    per_example: ClassVar[bool] = True
    size: int = option(2, least=1, help="height and width of a window")
    stride: int | None = option(None, least=1, help="distance between windows; null: size")

    def init(self, rng: np.random.Generator, in_shape: Shape) -> tuple[Params, Shape]:
        return {}, pooled_shape(in_shape, self.size, self.stride or self.size)

    def forward(self, p: Params, x: Array, ctx: Context) -> tuple[Array, Any]:
        h, in_rows = self._largest(x, -1, ctx.xp)
        y, in_columns = self._largest(h, -2, ctx.xp)
        return y, (in_rows, in_columns, x.shape[-2:])

    def backward(self, p: Params, cache: Any, dy: Array, ctx: Context, need_dx: bool = True) -> tuple[Array | None, Params]:
        if not need_dx:
            return None, {}
        in_rows, in_columns, (H, W) = cache
        if in_rows:  # memory in the order that x has, whatever dy's is
            ordered = ctx.xp.empty_like(in_columns[0], dtype=dy.dtype, shape=dy.shape)
            ordered[...] = dy
            dy = ordered
        dh = self._spread(dy, in_columns, -2, H, ctx.xp)
        return self._spread(dh, in_rows, -1, W, ctx.xp), {}

    def _largest(self, x: Array, axis: int, xp: Any) -> tuple[Array, list[Array]]:
        """The largest of each window along one axis; and for each position in it except the first, where it exceeds those
        before."""
        first, *others = strips(x.shape[axis], axis, self.size, self.stride or self.size)
        y, beats = x[first], []
        for strip in others:
            beats.append(x[strip] > y)
            y = xp.maximum(y, x[strip])
        return y, beats

    def _spread(self, dy: Array, beats: list[Array], axis: int, n: int, xp: Any) -> Array:
        """dx of `_largest`, length n along the axis: each dy goes to the last position that exceeds those before."""
        stride = self.stride or self.size
        dx = xp.zeros_like(dy, shape=(*dy.shape[:axis], n, *dy.shape[dy.ndim + axis + 1 :]))
        first, *others = strips(n, axis, self.size, stride)
        for strip, beat in zip(others[::-1], beats[::-1], strict=True):
            here = dy * beat
            dy -= here
            dx[strip] += here
        dx[first] += dy
        return dx

    @staticmethod
    def examples() -> list[tuple[MaxPool, Shape]]:
        return [(MaxPool(), (2, 4, 4)), (MaxPool(3, 1), (1, 5, 4))]
