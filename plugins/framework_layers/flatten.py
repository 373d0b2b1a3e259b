from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from framework import Array, Context, Params, Shape


@dataclass(frozen=True)
class Flatten:
    """All features of an example in one row, the last axis running fastest.

    Shapes: x (..., N, C, H, W) or (..., N, F), y (..., N, C H W). A sequence has no fixed size and is rejected.
    """

    per_example: ClassVar[bool] = True

    def init(self, rng: np.random.Generator, in_shape: Shape) -> tuple[Params, Shape]:
        if None in in_shape:
            raise ValueError(f"flatten cannot read sequences, which have no fixed length (got {in_shape})")
        return {}, (prod(in_shape),)

    def forward(self, p: Params, x: Array, ctx: Context) -> tuple[Array, Shape]:
        to_n = len(ctx.replicas) + 1
        return x.reshape(*x.shape[:to_n], prod(x.shape[to_n:])), x.shape[to_n:]

    def backward(
        self, p: Params, cache: Shape, dy: Array, ctx: Context, need_dx: bool = True
    ) -> tuple[Array | None, Params]:
        core = cache
        return (dy.reshape(*dy.shape[:-1], *core) if need_dx else None), {}

    @staticmethod
    def examples() -> list[tuple[Flatten, Shape]]:
        return [(Flatten(), (2, 3, 3)), (Flatten(), (4,))]
