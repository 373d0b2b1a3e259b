from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from framework import Array, Context


@dataclass(frozen=True)
class Sigmoid:
    """y = 1 / (1 + e^-x);  dx = dy y (1 - y), at most dy / 4.

    Shapes: x, y, dy, dx (..., any core axes). Computed without overflow, to full relative precision in both tails.
    """

    per_example: ClassVar[bool] = True
    outputs: ClassVar[str] = "probability"
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def forward(self, x: Array, ctx: Context) -> tuple[Array, Array]:
        xp = ctx.xp
        y = xp.exp(xp.minimum(x, 0)) / (1 + xp.exp(-xp.abs(x)))
        return y, y

    def backward(self, cache: Array, dy: Array, ctx: Context) -> Array:
        y = cache
        return dy * y * (1 - y)
