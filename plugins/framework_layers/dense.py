from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from framework import Array, Context, Initializer, Params, Shape, T, option, product, registered, row_sums
from framework_layers._bias import HELP, drawn_bias


@dataclass(frozen=True)
class Dense:
    """y = x W + b, one affine map for every example, and for every step of a sequence.

    dW = x^T dy,  db = sum over rows of dy,  dx = dy W^T.

    Shapes: x (..., [T,] N, F), W (..., F, units), b (..., 1, units), y (..., [T,] N, units). With time, the T N rows are
    one product. The non-linearity is a separate node.
    """

    units: int | Literal["auto"] = option(least=1, help="outputs; auto: as many as the target needs")
    bias: bool = option(True, help="whether to add b")
    initializer: Initializer = registered("initializer", "he_normal", help="initial values of W")
    bias_initializer: Initializer = registered("initializer", "zeros", inherit=False, help=HELP)

    def init(self, rng: np.random.Generator, in_shape: Shape) -> tuple[Params, Shape]:
        if self.units == "auto":
            raise ValueError("units: auto is only possible for the last layer before a loss; give a number")
        if len(in_shape) not in (1, 2):
            raise ValueError(f"dense needs (F,) or (T, F) (got {in_shape}); put a flatten layer before it")
        fans = (in_shape[-1], self.units)
        p = {"W": self.initializer(rng, fans)}
        p |= drawn_bias(self.bias, self.bias_initializer, rng, self.units, fans)
        return p, (*in_shape[:-1], self.units)

    def forward(self, p: Params, x: Array, ctx: Context) -> tuple[Array, Array]:
        y = product(_rows(x, ctx), p["W"])
        if self.bias:
            y += p["b"]
        return _like(y, x), x

    def backward(
        self, p: Params, cache: Array, dy: Array, ctx: Context, need_dx: bool = True
    ) -> tuple[Array | None, Params]:
        x, rows = cache, _rows(dy, ctx)
        grads = {"W": product(T(_rows(x, ctx)), rows)}
        if self.bias:
            grads["b"] = row_sums(rows, ctx.xp)
        if not need_dx:
            return None, grads
        return _like(product(rows, T(p["W"])), dy), grads

    @staticmethod
    def examples() -> list[tuple[Dense, Shape]]:
        return [(Dense(3), (4,)), (Dense(2, bias=False), (None, 4))]


def _rows(x: Array, ctx: Context) -> Array:
    """(..., [T,] N, F) as (..., rows, F)."""
    lead = len(ctx.replicas)
    return x if x.ndim == lead + 2 else x.reshape(*x.shape[:lead], -1, x.shape[-1])


def _like(rows: Array, x: Array) -> Array:
    """(..., rows, units) with the [T,] N of x."""
    return rows if rows.ndim == x.ndim else rows.reshape(*rows.shape[:-2], *x.shape[-3:-1], rows.shape[-1])
