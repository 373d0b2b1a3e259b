from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from framework import Array, Context, option


@dataclass(frozen=True)
class LeakyRelu:
    """y = x where x >= 0, slope x elsewhere;  dx = dy, or slope dy (Maas et al. 2013, who take 0.01).

    Shapes: x, y, dy, dx (..., any core axes). A unit below 0 still learns, and cannot die.
    """

    per_example: ClassVar[bool] = True
    slope: float | Array = option(0.01, least=0, stackable=True, help="slope below 0")

    def forward(self, x: Array, ctx: Context) -> tuple[Array, Array]:
        return x * self._slopes(x, ctx), x

    def backward(self, cache: Array, dy: Array, ctx: Context) -> Array:
        x = cache
        return dy * self._slopes(x, ctx)

    def _slopes(self, x: Array, ctx: Context) -> Array:
        """1 where x >= 0, slope elsewhere."""
        slope = ctx.per(self.slope, x)
        return (slope + (1 - slope) * (x >= 0)).astype(x.dtype)
