from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import Any, ClassVar

import numpy as np

from framework import Array, Context, Params, Shape


@dataclass(frozen=True)
class Concat:
    """y = [x_1, x_2, ...], the features of several sources (`from: [a, b]`) concatenated; dx_i is x_i's part of dy.

    Shapes: x_i (..., [T,] N, F_i), y (..., [T,] N, sum F_i); or images (..., N, C_i, H, W), joined along their channels.
    """

    per_example: ClassVar[bool] = True

    def init(self, rng: np.random.Generator, in_shape: Shape) -> tuple[Params, Shape]:
        if not in_shape or not all(isinstance(shape, tuple) for shape in in_shape):
            raise ValueError("concat needs several sources; set from: [a, b]")
        at = _axis(in_shape[0])
        rest = {(*shape[: len(shape) + at], *shape[len(shape) + at + 1 :]) for shape in in_shape}
        if len(rest) > 1 or len({len(shape) for shape in in_shape}) > 1:
            raise ValueError(f"concat needs sources that differ in features only (got {' and '.join(map(str, in_shape))})")
        shape = list(in_shape[0])
        shape[at] = sum(one[at] for one in in_shape)
        return {}, tuple(shape)

    def forward(self, p: Params, x: tuple[Array, ...], ctx: Context) -> tuple[Array, Any]:
        at = -3 if x[0].ndim - len(ctx.replicas) == 4 else -1
        lead = max((a.shape[: len(ctx.replicas)] for a in x), key=lambda shape: sum(shape))
        full = [ctx.xp.broadcast_to(a, (*lead, *a.shape[len(ctx.replicas) :])) for a in x]
        return ctx.xp.concatenate(full, at), (at, [a.shape[at] for a in x])

    def backward(
        self, p: Params, cache: Any, dy: Array, ctx: Context, need_dx: bool = True
    ) -> tuple[tuple[Array, ...] | None, Params]:
        at, sizes = cache
        if not need_dx:
            return None, {}
        ends = list(accumulate(sizes))
        tail = (slice(None),) * (-at - 1)
        return tuple(dy[(..., slice(end - size, end), *tail)] for size, end in zip(sizes, ends, strict=True)), {}

    @staticmethod
    def examples() -> list[tuple[Concat, Shape]]:
        return [(Concat(), ((4,), (3,))), (Concat(), ((2, 3, 3), (1, 3, 3))), (Concat(), ((None, 2), (None, 3)))]


def _axis(shape: Shape) -> int:
    """The axis of the features: the last axis, or the channels of an image."""
    return -3 if len(shape) == 3 else -1
