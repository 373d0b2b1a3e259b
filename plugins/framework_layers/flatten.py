from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar, Literal

import numpy as np

from framework import Array, Context, DataError, Params, Shape, option


@dataclass(frozen=True)
class Flatten:
    """All features of an example in one row, the last axis running fastest.

    Shapes: x (..., N, C, H, W) or (..., N, F), y (..., N, C H W); a sequence x (..., T, N, F) becomes y (..., N, T F), the
    features of its first step first. T must then be the same for all sequences, as for windows of words.

    Raises:
        DataError: a sequence has another number of steps.
    """

    per_example: ClassVar[bool] = True
    steps: int | Literal["auto"] = option("auto", least=1, help="T, if it reads sequences; auto: from the data")

    def init(self, rng: np.random.Generator, in_shape: Shape) -> tuple[Params, Shape]:
        if None not in in_shape:
            return {}, (prod(in_shape),)
        if None in in_shape[1:]:
            raise ValueError(f"flatten cannot read the letters of words (got {in_shape}); put max_over_time before it")
        if in_shape == (None,):
            raise ValueError("flatten cannot read the ids of a sequence; an embedding or one_hot before it makes features")
        if self.steps == "auto":
            raise ValueError(f"steps: auto needs a layer whose sequences have one length; give a number (got {in_shape})")
        return {}, (self.steps * prod(in_shape[1:]),)

    def forward(self, p: Params, x: Array, ctx: Context) -> tuple[Array, Shape]:
        core = x.shape[len(ctx.replicas) :]
        if len(core) != 3:
            return x.reshape(*x.shape[: len(ctx.replicas) + 1], prod(core[1:])), core
        T, N, F = core
        if self.steps != T:
            raise DataError(f"flatten: the sequences have {T} steps, but the network was made for {self.steps}")
        return x.swapaxes(-3, -2).reshape(*x.shape[:-3], N, T * F), core

    def backward(
        self, p: Params, cache: Shape, dy: Array, ctx: Context, need_dx: bool = True
    ) -> tuple[Array | None, Params]:
        if not need_dx:
            return None, {}
        core: Any = cache
        if len(core) != 3:
            return dy.reshape(*dy.shape[:-1], *core[1:]), {}
        T, N, F = core
        return dy.reshape(*dy.shape[:-2], N, T, F).swapaxes(-3, -2), {}

    @staticmethod
    def examples() -> list[tuple[Flatten, Shape]]:
        return [(Flatten(), (2, 3, 3)), (Flatten(), (4,)), (Flatten(4), (None, 3))]
