from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from framework import Array, Context


@dataclass(frozen=True)
class Tanh:
    """y = tanh x = 2 sigmoid(2x) - 1;  dx = dy (1 - y^2), at most dy.

    Shapes: x, y, dy, dx (..., any core axes).
    """

    per_example: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    def forward(self, x: Array, ctx: Context) -> tuple[Array, Array]:
        y = ctx.xp.tanh(x)
        return y, y

    def backward(self, cache: Array, dy: Array, ctx: Context) -> Array:
        y = cache
        return dy * (1 - y * y)
