from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from framework import Array, Context


@dataclass(frozen=True)
class Relu6:
    """y = max(0, min(6, x));  dx = dy where 0 < x < 6, 0 elsewhere  (Krizhevsky 2010).

    Shapes: x, y, dy, dx (..., any core axes). At 0 and 6 the derivative is 0, as in PyTorch. It is for hidden layers: an
    output that is 0 or 6 has no gradient.
    """

    per_example: ClassVar[bool] = True
    place: ClassVar[str] = "hidden"
    bounds: ClassVar[tuple[float, float]] = (0.0, 6.0)

    def forward(self, x: Array, ctx: Context) -> tuple[Array, Array]:
        return ctx.xp.maximum(ctx.xp.minimum(x, 6), 0), x

    def backward(self, cache: Array, dy: Array, ctx: Context) -> Array:
        x = cache
        return dy * ((x > 0) & (x < 6))
