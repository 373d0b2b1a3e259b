from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from framework import Array, Context, Params, Shape, option


@dataclass(frozen=True)
class GlobalPool:
    """y = the mean, the sum or the largest of all H W values of a channel: images of any size become C values.

    average: each value gets dy / (H W); sum: dy; max: dy goes to the position of the largest, to the first one if there are
    several, as in max_pool. Shapes: x (..., N, C, H, W), y (..., N, C). After 1 x 1 convolutions it ends a network that
    has no dense layer (Lin, Chen & Yan 2014, who use the average).
    """

    per_example: ClassVar[bool] = True
    kind: Literal["max", "average", "sum"] = option("average", help="what is computed for a channel")

    def init(self, rng: np.random.Generator, in_shape: Shape) -> tuple[Params, Shape]:
        if len(in_shape) != 3:
            raise ValueError(f"global_pool needs images (C, H, W) (got {in_shape})")
        return {}, in_shape[:1]

    def forward(self, p: Params, x: Array, ctx: Context) -> tuple[Array, Any]:
        shape = x.shape[-2:]
        x = x.reshape(*x.shape[:-2], shape[0] * shape[1])
        if self.kind == "max":
            return x.max(-1), (shape, x.argmax(-1))
        return (x.mean(-1) if self.kind == "average" else x.sum(-1)), (shape, None)

    def backward(self, p: Params, cache: Any, dy: Array, ctx: Context, need_dx: bool = True) -> tuple[Array | None, Params]:
        (H, W), where = cache
        if not need_dx:
            return None, {}
        if self.kind == "max":
            share = ctx.xp.arange(H * W) == where[..., None]
        else:
            share = ctx.xp.full(H * W, 1 / (H * W) if self.kind == "average" else 1, dy.dtype)
        return (dy[..., None] * share).reshape(*dy.shape, H, W), {}

    @staticmethod
    def examples() -> list[tuple[GlobalPool, Shape]]:
        return [(GlobalPool("max"), (2, 3, 4)), (GlobalPool("average"), (2, 3, 4)), (GlobalPool("sum"), (1, 2, 2))]
