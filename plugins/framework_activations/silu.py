from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from framework import Array, Context, option


@dataclass(frozen=True)
class Silu:
    """y = x s,  s = 1 / (1 + e^(-beta x));  dx = dy s (1 + beta x (1 - s))  (Elfwing et al. 2018).

    Shapes: x, y, dy, dx (..., any core axes). With other beta it is called swish (Ramachandran et al. 2017): beta = 0 gives
    x / 2, and a large beta relu. PyTorch's SiLU has beta = 1.
    """

    per_example: ClassVar[bool] = True
    beta: float | Array = option(1.0, stackable=True, help="sharpness of the bend at 0")

    def forward(self, x: Array, ctx: Context) -> tuple[Array, tuple[Array, Array]]:
        xp, z = ctx.xp, ctx.per(self.beta, x) * x
        s = xp.exp(xp.minimum(z, 0)) / (1 + xp.exp(-xp.abs(z)))
        return x * s, (x, s)

    def backward(self, cache: tuple[Array, Array], dy: Array, ctx: Context) -> Array:
        x, s = cache
        return dy * s * (1 + ctx.per(self.beta, x) * x * (1 - s))
