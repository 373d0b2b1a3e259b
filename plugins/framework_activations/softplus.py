from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from framework import Array, Context


@dataclass(frozen=True)
class Softplus:
    """y = log(1 + e^x), a smooth relu;  dx = dy sigmoid(x).

    Shapes: x, y, dy, dx (..., any core axes). Computed as max(x, 0) + log(1 + e^-|x|): nothing overflows.
    """

    per_example: ClassVar[bool] = True

    def forward(self, x: Array, ctx: Context) -> tuple[Array, Array]:
        xp = ctx.xp
        return xp.maximum(x, 0) + xp.log1p(xp.exp(-xp.abs(x))), x

    def backward(self, cache: Array, dy: Array, ctx: Context) -> Array:
        x, xp = cache, ctx.xp
        return dy * xp.exp(xp.minimum(x, 0)) / (1 + xp.exp(-xp.abs(x)))
