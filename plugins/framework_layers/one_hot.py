from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from framework import Array, Context, Params, Shape, option


@dataclass(frozen=True)
class OneHot:
    """y_k = 1 where k = x, else 0: a symbol as a vector with a single one. It has no parameters, and ids have no gradient.

    Shapes: x ids (..., [T,] N [, L]) from 0 to size - 1, y (..., [T,] N [, L], size). Features (..., [T,] N, F) pass
    unchanged, dx = dy, so that one model reads symbols and real features.
    """

    size: int | Literal["auto"] = option("auto", least=1, help="number of symbols; auto: from the data")

    def init(self, rng: np.random.Generator, in_shape: Shape) -> tuple[Params, Shape]:
        return {}, (*in_shape, vocabulary(self.size)) if are_ids(in_shape) else in_shape

    def forward(self, p: Params, x: Array, ctx: Context) -> tuple[Array, bool]:
        ids = x.dtype.kind in "iu"
        # Zeros and ones are exact in float32, and become float64 when combined with it.
        return (chosen(x, vocabulary(self.size), np.float32, ctx) if ids else x), ids

    def backward(self, p: Params, cache: bool, dy: Array, ctx: Context, need_dx: bool = True) -> tuple[Array | None, Params]:
        return (dy if need_dx and not cache else None), {}

    @staticmethod
    def examples() -> list[tuple[OneHot, Shape]]:
        return [(OneHot(4), (None,)), (OneHot(3), ()), (OneHot(3), (None, None)), (OneHot(), (None, 4))]


def are_ids(in_shape: Shape) -> bool:
    """Whether a layer reads ids: (), (None,) for a sequence, or (None, None) for L ids at every step."""
    return all(length is None for length in in_shape)


def chosen(x: Array, size: int, dtype: Any, ctx: Context) -> Array:
    """Ids (...) as vectors (..., size)."""
    return (x[..., None] == ctx.xp.arange(size)).astype(dtype)


def vocabulary(size: int | Literal["auto"]) -> int:
    """The number of symbols.

    Raises:
        ValueError: it is still `auto`.
    """
    if size == "auto":
        raise ValueError("size: auto needs a layer that reads a field of ids; give a number")
    return size
