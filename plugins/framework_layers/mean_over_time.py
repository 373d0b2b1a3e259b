from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from framework import Array, Context, Params, Shape, option
from framework_layers._sequences import along_time, as_before, steps_that_count


@dataclass(frozen=True)
class MeanOverTime:
    """y = sum over t of m_t x_t / sum over t of m_t, the mean of each feature over all steps that count (m = 1); each of
    them gets dx_t = dy / sum m.

    Shapes: x (..., T, N, F), y (..., N, F), mask m (..., T, N); the steps that the mask leaves out do not count, and a
    sequence without any step has y = 0. Letters: x (..., T, N, L, F), mask (..., T, N, L), y (..., T, N, F), one vector for
    each word. After an embedding it is the bag of words of a sentence (Iyyer et al. 2015).
    """

    mask: str | None = option("mask", help="the batch field of 0 and 1 for the steps, if there is one; null: none")

    def init(self, rng: np.random.Generator, in_shape: Shape) -> tuple[Params, Shape]:
        if len(in_shape) not in (2, 3) or in_shape[-1] is None or (len(in_shape) == 3 and in_shape[0] is not None):
            raise ValueError(f"mean_over_time needs sequences (T, F) (got {in_shape})")
        return {}, (*in_shape[:-2], in_shape[-1])

    def forward(self, p: Params, x: Array, ctx: Context) -> tuple[Array, Any]:
        counts, a = steps_that_count(self.mask, x, ctx), along_time(x, ctx)
        if counts is None:
            share = ctx.xp.full((a.shape[-3], 1, 1), 1 / a.shape[-3], a.dtype)
        else:
            a, m = ctx.xp.where(counts, a, ctx.xp.zeros_like(a)), counts.astype(a.dtype)
            share = m / ctx.xp.maximum(m.sum(-3, keepdims=True), 1)
        y = as_before((a * share).sum(-3, keepdims=True), x, ctx)
        return (y[..., 0, :] if x.ndim == len(ctx.replicas) + 4 else y[..., 0, :, :]), (share, x)

    def backward(self, p: Params, cache: Any, dy: Array, ctx: Context, need_dx: bool = True) -> tuple[Array | None, Params]:
        if not need_dx:
            return None, {}
        share, x = cache
        letters = x.ndim == len(ctx.replicas) + 4
        d = along_time(dy[..., None, :] if letters else dy[..., None, :, :], ctx)
        return as_before(d * share, x, ctx), {}

    @staticmethod
    def examples() -> list[tuple[MeanOverTime, Shape]]:
        return [(MeanOverTime(), (None, 4)), (MeanOverTime(mask=None), (None, None, 3))]
