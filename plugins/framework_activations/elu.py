from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from framework import Array, Context, option


@dataclass(frozen=True)
class Elu:
    """y = x where x > 0, alpha (e^x - 1) elsewhere;  dx = dy, or alpha e^x dy  (Clevert et al. 2016).

    Shapes: x, y, dy, dx (..., any core axes). Negative inputs go to -alpha, so that the mean of the outputs is closer to 0
    than that of relu. At alpha = 1, the paper's, the derivative has no jump at 0.
    """

    per_example: ClassVar[bool] = True
    alpha: float | Array = option(1.0, least=0, stackable=True, help="the output of very negative inputs is -alpha")

    def forward(self, x: Array, ctx: Context) -> tuple[Array, Array]:
        xp = ctx.xp
        return xp.where(x > 0, x, ctx.per(self.alpha, x) * xp.expm1(xp.minimum(x, 0))), x

    def backward(self, cache: Array, dy: Array, ctx: Context) -> Array:
        x, xp = cache, ctx.xp
        return xp.where(x > 0, dy, dy * (ctx.per(self.alpha, x) * xp.exp(xp.minimum(x, 0))))
