from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from framework import Array, Context, Params, Shape


@dataclass(frozen=True)
class Add:
    """y = x_1 + x_2 + ... of several sources (`from: [a, b]`): where two paths meet, as in a residual block.

    dx_i = dy for every source. Shapes: x_i, y, dy, dx_i (..., any core axes), all of equal shape.
    """

    per_example: ClassVar[bool] = True

    def init(self, rng: np.random.Generator, in_shape: Shape) -> tuple[Params, Shape]:
        if not in_shape or not all(isinstance(shape, tuple) for shape in in_shape):
            raise ValueError("add needs several sources; set from: [a, b]")
        if any(shape != in_shape[0] for shape in in_shape):
            raise ValueError(f"add needs sources of equal shape (got {' and '.join(map(str, in_shape))})")
        return {}, in_shape[0]

    def forward(self, p: Params, x: tuple[Array, ...], ctx: Context) -> tuple[Array, int]:
        y = x[0]
        for other in x[1:]:
            y = y + other
        return y, len(x)

    def backward(
        self, p: Params, cache: int, dy: Array, ctx: Context, need_dx: bool = True
    ) -> tuple[tuple[Array, ...] | None, Params]:
        return ((dy,) * cache if need_dx else None), {}

    @staticmethod
    def examples() -> list[tuple[Add, Shape]]:
        return [(Add(), ((4,), (4,))), (Add(), ((2, 3, 3),) * 3)]
