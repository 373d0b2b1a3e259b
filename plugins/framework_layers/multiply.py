from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from framework import Array, Context, Params, Shape


@dataclass(frozen=True)
class Multiply:
    """y = x_1 x_2 ... of several sources (`from: [a, b]`), number by number: one path is the gate of another.

    dx_i = dy times the product of the other sources; nothing is divided, so that a source may be 0.
    Shapes: x_i, y, dy, dx_i (..., any core axes), all of equal shape.
    """

    per_example: ClassVar[bool] = True

    def init(self, rng: np.random.Generator, in_shape: Shape) -> tuple[Params, Shape]:
        if not in_shape or not all(isinstance(shape, tuple) for shape in in_shape):
            raise ValueError("multiply needs several sources; set from: [a, b]")
        if any(shape != in_shape[0] for shape in in_shape):
            raise ValueError(f"multiply needs sources of equal shape (got {' and '.join(map(str, in_shape))})")
        return {}, in_shape[0]

    def forward(self, p: Params, x: tuple[Array, ...], ctx: Context) -> tuple[Array, tuple[Array, ...]]:
        y = x[0]
        for other in x[1:]:
            y = y * other
        return y, x

    def backward(
        self, p: Params, cache: tuple[Array, ...], dy: Array, ctx: Context, need_dx: bool = True
    ) -> tuple[tuple[Array, ...] | None, Params]:
        if not need_dx:
            return None, {}
        dx = []
        for i in range(len(cache)):
            d = dy
            for other in (*cache[:i], *cache[i + 1 :]):
                d = d * other
            dx.append(d)
        return tuple(dx), {}

    @staticmethod
    def examples() -> list[tuple[Multiply, Shape]]:
        return [(Multiply(), ((4,), (4,))), (Multiply(), ((2, 3, 3),) * 3), (Multiply(), ((None, 4), (None, 4)))]
