from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from framework import Array, Context, Params, Shape, option
from framework_layers._sequences import steps_that_count


@dataclass(frozen=True)
class Positions:
    """y_t = x_t + e_t,  e_{t, 2i} = sin(t / base^{2i/F}),  e_{t, 2i+1} = cos(t / base^{2i/F}),  t = 0, 1, ...
    (Vaswani et al. 2017, section 3.5): attention reads a set of steps, and learns their order only from such numbers.

    dx = dy; there are no parameters. Shapes: x, y (..., T, N, F), e (..., T, N or 1, F), mask (..., T, N). Only steps that
    the mask leaves in are counted, so that padding on either side has no effect. A chunk of a sequence goes on where the
    chunk before it ended. The numbers e lie in [-1, 1], and x should be about as large: put a dense or an embedding layer
    before it. Default base: the paper's; the wavelengths go from 2 pi to 2 pi base.
    """

    base: float = option(10000.0, above=1, stackable=True, help="the longest wavelength, divided by 2 pi")
    mask: str | None = option("mask", help="the batch field of 0 and 1 for the steps, if there is one; null: none")

    def init(self, rng: np.random.Generator, in_shape: Shape) -> tuple[Params, Shape]:
        if len(in_shape) != 2 or in_shape[-1] is None:
            raise ValueError(
                f"positions needs sequences (T, F) (got {in_shape}); put an embedding or one_hot layer before it for ids"
            )
        return {}, in_shape

    def forward(self, p: Params, x: Array, ctx: Context) -> tuple[Array, Array]:
        t, after = self._places(x, ctx)
        F = x.shape[-1]
        pair = ctx.xp.asarray(np.arange(F) // 2 * 2 / F, x.dtype)
        is_sine = ctx.xp.asarray(np.arange(F) % 2 == 0)
        angle = t / ctx.per(self.base, x) ** pair
        return x + ctx.xp.where(is_sine, ctx.xp.sin(angle), ctx.xp.cos(angle)), after

    def backward(
        self, p: Params, cache: Array, dy: Array, ctx: Context, need_dx: bool = True
    ) -> tuple[Array | None, Params]:
        return (dy if need_dx else None), {}

    @property
    def carry(self) -> Callable[[Any], Array]:
        """cache -> the position after the last step (..., N, 1)."""
        return lambda cache: cache

    def _places(self, x: Array, ctx: Context) -> tuple[Array, Array]:
        """t of each step (..., T, N or 1, 1), and that of the step after the last (..., N, 1)."""
        xp, steps, counts = ctx.xp, x.shape[-3], steps_that_count(self.mask, x, ctx)
        after = xp.zeros((*ctx.replicas, x.shape[-2], 1), x.dtype)
        if counts is None:
            t, after = xp.arange(steps).astype(x.dtype)[:, None, None], after + steps
        else:
            m = counts[..., 0].astype(x.dtype)
            earlier = (xp.arange(steps)[:, None] > xp.arange(steps)).astype(x.dtype)
            t, after = (earlier @ m)[..., None], after + m.sum(-2)[..., None]
        start = ctx.initial()
        return (t, after) if start is None else (t + start[..., None, :, :], after + start)

    @staticmethod
    def examples() -> list[tuple[Positions, Shape]]:
        return [(Positions(), (None, 4)), (Positions(10.0, mask=None), (None, 3))]
