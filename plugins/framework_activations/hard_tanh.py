from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from framework import Array, Context


@dataclass(frozen=True)
class HardTanh:
    """y = max(-1, min(1, x));  dx = dy where -1 < x < 1, 0 elsewhere  (Collobert 2004).

    Shapes: x, y, dy, dx (..., any core axes). At -1 and 1 the derivative is 0, as in PyTorch.
    """

    per_example: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    def forward(self, x: Array, ctx: Context) -> tuple[Array, Array]:
        return ctx.xp.maximum(ctx.xp.minimum(x, 1), -1), x

    def backward(self, cache: Array, dy: Array, ctx: Context) -> Array:
        x = cache
        return dy * (ctx.xp.abs(x) < 1)
