from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from framework import Array, Context, Params, Shape, option
from framework_layers._sequences import along_time, as_before, steps_that_count


@dataclass(frozen=True)
class MaxOverTime:
    """y = the largest value of each feature over all steps that count; dy goes to its step, to the first one if there are
    several.

    Shapes: x (..., T, N, F), y (..., N, F), mask (..., T, N); the steps that the mask leaves out do not count, and a
    sequence without any step has y = 0. Letters: x (..., T, N, L, F), mask (..., T, N, L), y (..., T, N, F), one vector for
    each word. After a conv1d it makes one vector of any number of steps: Collobert et al. (2011), Kim (2014); of the letters
    of a word: Ma & Hovy (2016).
    """

    mask: str | None = option("mask", help="the batch field of 0 and 1 for the steps, if there is one; null: none")

    def init(self, rng: np.random.Generator, in_shape: Shape) -> tuple[Params, Shape]:
        if len(in_shape) not in (2, 3) or in_shape[-1] is None or (len(in_shape) == 3 and in_shape[0] is not None):
            raise ValueError(f"max_over_time needs sequences (T, F) (got {in_shape})")
        return {}, (*in_shape[:-2], in_shape[-1])

    def forward(self, p: Params, x: Array, ctx: Context) -> tuple[Array, Any]:
        counts, a = steps_that_count(self.mask, x, ctx), along_time(x, ctx)
        if counts is not None:
            a = ctx.xp.where(counts, a, ctx.xp.full_like(a, -ctx.xp.inf))
        y = a.max(-3, keepdims=True)
        first = ctx.xp.arange(a.shape[-3])[:, None, None] == a.argmax(-3)[..., None, :, :]
        if counts is not None:
            first = first & counts
            y = ctx.xp.where(counts.any(-3, keepdims=True), y, ctx.xp.zeros_like(y))
        y = as_before(y, x, ctx)
        return (y[..., 0, :] if x.ndim == len(ctx.replicas) + 4 else y[..., 0, :, :]), (first, x)

    def backward(self, p: Params, cache: Any, dy: Array, ctx: Context, need_dx: bool = True) -> tuple[Array | None, Params]:
        if not need_dx:
            return None, {}
        first, x = cache
        letters = x.ndim == len(ctx.replicas) + 4
        d = along_time(dy[..., None, :] if letters else dy[..., None, :, :], ctx)
        return as_before(ctx.xp.where(first, d, ctx.xp.zeros_like(d)), x, ctx), {}

    @staticmethod
    def examples() -> list[tuple[MaxOverTime, Shape]]:
        return [(MaxOverTime(), (None, 4)), (MaxOverTime(mask=None), (None, None, 3))]
