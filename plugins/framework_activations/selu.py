from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from framework import Array, Context

ALPHA = 1.6732632423543772
SCALE = 1.0507009873554805


@dataclass(frozen=True)
class Selu:
    """y = 1.0507 x where x > 0, 1.0507 * 1.6733 (e^x - 1) elsewhere;  dx = 1.0507 dy, or 1.0507 * 1.6733 e^x dy
    (Klambauer et al. 2017).

    Shapes: x, y, dy, dx (..., any core axes). With these two numbers, outputs of many layers go to mean 0 and variance 1.
    That needs initializer=lecun_normal, inputs of mean 0 and variance 1, and no batch_norm.
    """

    per_example: ClassVar[bool] = True

    def forward(self, x: Array, ctx: Context) -> tuple[Array, Array]:
        xp = ctx.xp
        return SCALE * xp.where(x > 0, x, ALPHA * xp.expm1(xp.minimum(x, 0))), x

    def backward(self, cache: Array, dy: Array, ctx: Context) -> Array:
        x, xp = cache, ctx.xp
        return SCALE * xp.where(x > 0, dy, ALPHA * dy * xp.exp(xp.minimum(x, 0)))
