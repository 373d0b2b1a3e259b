from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from framework import Array, Context, Params, Shape, option
from framework_layers._windows import Pair, Windows, inner, pooled_shape, strips, surrounded, windows


@dataclass(frozen=True)
class MaxPool:
    """y = the largest value of each window; dy goes to its position, to the first one if there are several.

    Shapes: x (..., N, C, H, W), y (..., N, C, Ho, Wo), Ho = (H + 2 padding - size) // stride + 1, Wo likewise;
    size, stride and padding are numbers or [rows, columns]. Padding adds -inf, which no window chooses (as PyTorch).
    """

    per_example: ClassVar[bool] = True
    size: int | Pair = option(2, least=1, help="height and width of a window, one number or [height, width]")
    stride: int | Pair | None = option(
        None, least=1, help="distance between windows, one number or [rows, columns]; null: size"
    )
    padding: int | Pair = option(
        0,
        least=0,
        help="rows and columns of -inf at each end, one number or [rows, columns]",
    )

    def init(self, rng: np.random.Generator, in_shape: Shape) -> tuple[Params, Shape]:
        return {}, pooled_shape(in_shape, self.size, self.size if self.stride is None else self.stride, self.padding)

    def forward(self, p: Params, x: Array, ctx: Context) -> tuple[Array, Any]:
        at = self._windows(x.shape[-2:])
        x = surrounded(x, at.frame, -ctx.xp.inf, ctx.xp)
        h, in_rows = self._largest(x, at, -1, ctx.xp)
        y, in_columns = self._largest(h, at, -2, ctx.xp)
        return y, (in_rows, in_columns, x.shape[-2:], at)

    def backward(self, p: Params, cache: Any, dy: Array, ctx: Context, need_dx: bool = True) -> tuple[Array | None, Params]:
        if not need_dx:
            return None, {}
        in_rows, in_columns, (H, W), at = cache
        if in_rows:  # memory in the order that x has, whatever dy's is
            ordered = ctx.xp.empty_like(in_columns[0], dtype=dy.dtype, shape=dy.shape)
            ordered[...] = dy
            dy = ordered
        dh = self._spread(dy, in_columns, at, -2, H, ctx.xp)
        return inner(self._spread(dh, in_rows, at, -1, W, ctx.xp), at.frame), {}

    def _largest(self, x: Array, at: Windows, axis: int, xp: Any) -> tuple[Array, list[Array]]:
        """The largest of each window along one axis; and for each position in it except the first, where it exceeds those
        before."""
        first, *others = strips(x.shape[axis], axis, at.size[axis], at.stride[axis])
        y, beats = x[first], []
        for strip in others:
            beats.append(x[strip] > y)
            y = xp.maximum(y, x[strip])
        return y, beats

    def _spread(self, dy: Array, beats: list[Array], at: Windows, axis: int, n: int, xp: Any) -> Array:
        """dx of `_largest`, length n along the axis: each dy goes to the last position that exceeds those before."""
        dx = xp.zeros_like(dy, shape=(*dy.shape[:axis], n, *dy.shape[dy.ndim + axis + 1 :]))
        first, *others = strips(n, axis, at.size[axis], at.stride[axis])
        for strip, beat in zip(others[::-1], beats[::-1], strict=True):
            here = dy * beat
            dy -= here
            dx[strip] += here
        dx[first] += dy
        return dx

    def _windows(self, n: Pair) -> Windows:
        return windows(n, self.size, self.size if self.stride is None else self.stride, self.padding)

    @staticmethod
    def examples() -> list[tuple[MaxPool, Shape]]:
        padded = MaxPool((3, 2), (2, 1), 1)
        return [(MaxPool(), (2, 4, 4)), (MaxPool(3, 1), (1, 5, 4)), (padded, (1, 5, 4))]
