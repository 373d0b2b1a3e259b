from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from framework import Array, Context


@dataclass(frozen=True)
class Mish:
    """y = x u,  u = tanh(log(1 + e^x));  dx = dy (u + x (1 - u^2) sigmoid(x))  (Misra 2019).

    Shapes: x, y, dy, dx (..., any core axes). Computed with e^-|x|: nothing overflows.
    """

    per_example: ClassVar[bool] = True

    def forward(self, x: Array, ctx: Context) -> tuple[Array, tuple[Array, Array]]:
        xp = ctx.xp
        u = xp.tanh(xp.maximum(x, 0) + xp.log1p(xp.exp(-xp.abs(x))))
        return x * u, (x, u)

    def backward(self, cache: tuple[Array, Array], dy: Array, ctx: Context) -> Array:
        (x, u), xp = cache, ctx.xp
        sigmoid = xp.exp(xp.minimum(x, 0)) / (1 + xp.exp(-xp.abs(x)))
        return dy * (u + x * (1 - u * u) * sigmoid)
