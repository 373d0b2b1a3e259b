from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from framework import Array, Context

ROOT = (2 / 3.141592653589793) ** 0.5
CUBE = 0.044715


@dataclass(frozen=True)
class Gelu:
    """y = x/2 (1 + tanh u),  u = sqrt(2/pi) (x + 0.044715 x^3);
    dx = dy (1/2 (1 + tanh u) + x/2 (1 - tanh^2 u) sqrt(2/pi) (1 + 0.134145 x^2)).

    Shapes: x, y, dy, dx (..., any core axes). The tanh form of Hendrycks & Gimpel (2016), within 5e-4 of x Phi(x).
    """

    per_example: ClassVar[bool] = True

    def forward(self, x: Array, ctx: Context) -> tuple[Array, tuple[Array, Array]]:
        tanh = ctx.xp.tanh(ROOT * (x + CUBE * x * x * x))
        return 0.5 * x * (1 + tanh), (x, tanh)

    def backward(self, cache: tuple[Array, Array], dy: Array, ctx: Context) -> Array:
        x, tanh = cache
        return dy * (0.5 * (1 + tanh) + 0.5 * x * (1 - tanh * tanh) * (ROOT * (1 + 3 * CUBE * x * x)))
