from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from framework import Array, Context, Params, Shape, option


@dataclass(frozen=True)
class Dropout:
    """y = x m / keep in training, m ~ Bernoulli(keep), drawn in every step; y = x otherwise.

    Inverted scaling keeps E[y] = x. dx = dy m / keep with the same mask. Shapes: x, y, m, dy, dx (..., any core axes).
    `keep` is the probability to retain a unit, as in the lecture notes and in Srivastava et al. (2014), where 0.5 is the
    usual choice; PyTorch's and Keras's `p` is the probability to drop one, 1 - keep.
    With `through_time` a sequence (..., T, N, F) has one mask (..., 1, N, F) for all its steps (Gal & Ghahramani 2016; the
    authors of the IndRNN); a chunk of truncated backpropagation is another draw.
    """

    keep: float = option(0.5, above=0, most=1, stackable=True, help="probability to retain a unit")
    through_time: bool = option(False, help="one mask for all steps of a sequence")

    def init(self, rng: np.random.Generator, in_shape: Shape) -> tuple[Params, Shape]:
        if self.through_time and len(in_shape) != 2:
            raise ValueError(f"through_time: there is no time axis (input {in_shape}); sequences have (T, F)")
        return {}, in_shape

    def forward(self, p: Params, x: Array, ctx: Context) -> tuple[Array, Array | None]:
        if not ctx.train:
            return x, None
        keep = ctx.per(self.keep, x)
        m = (ctx.uniform(x[..., :1, :, :] if self.through_time else x) < keep) / keep
        m = m.astype(x.dtype)
        return x * m, m

    def backward(
        self, p: Params, cache: Array | None, dy: Array, ctx: Context, need_dx: bool = True
    ) -> tuple[Array | None, Params]:
        m = cache
        return (dy if m is None else dy * m) if need_dx else None, {}

    @staticmethod
    def examples() -> list[tuple[Dropout, Shape]]:
        return [(Dropout(0.7), (4,)), (Dropout(0.5), (2, 3, 3)), (Dropout(0.6, through_time=True), (None, 3))]
