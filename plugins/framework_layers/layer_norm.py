from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from framework import Array, Context, Params, Shape, option


@dataclass(frozen=True)
class LayerNorm:
    """y = gamma x^ + beta,  x^ = (x - mu) / sqrt(var + eps), mu and var over the features of one example
    (Ba, Kiros & Hinton 2016): no batch is needed, training and evaluation are the same.

    With d = dy gamma:  dx = (d - mean(d) - x^ mean(d x^)) / sqrt(var + eps);  dgamma = sum dy x^,  dbeta = sum dy.

    Shapes: x, y (..., [T,] N, F); gamma, beta (..., 1, F). Default eps: PyTorch's.
    """

    eps: float | Array = option(1e-5, above=0, stackable=True, help="keeps the quotient finite")

    def init(self, rng: np.random.Generator, in_shape: Shape) -> tuple[Params, Shape]:
        if len(in_shape) not in (1, 2):
            raise ValueError(f"layer_norm needs (F,) or (T, F) (got {in_shape}); put a flatten layer before it")
        if in_shape[-1] == 1:
            raise ValueError("layer_norm needs two features or more; for a single feature it is always 0")
        return {"gamma": np.ones((1, in_shape[-1])), "beta": np.zeros((1, in_shape[-1]))}, in_shape

    def forward(self, p: Params, x: Array, ctx: Context) -> tuple[Array, Any]:
        xc = x - x.mean(-1, keepdims=True)
        s = 1 / ctx.xp.sqrt((xc * xc).mean(-1, keepdims=True) + ctx.per(self.eps, x))
        xh = xc * s
        return xh * _meeting(p["gamma"], x, ctx) + _meeting(p["beta"], x, ctx), (xh, s)

    def backward(self, p: Params, cache: Any, dy: Array, ctx: Context, need_dx: bool = True) -> tuple[Array | None, Params]:
        xh, s = cache
        rows = tuple(range(len(ctx.replicas) - dy.ndim, -1))
        grads = {"gamma": _as_tensor((dy * xh).sum(rows, keepdims=True), ctx)}
        grads["beta"] = _as_tensor(dy.sum(rows, keepdims=True), ctx)
        if not need_dx:
            return None, grads
        d = dy * _meeting(p["gamma"], dy, ctx)
        return s * (d - d.mean(-1, keepdims=True) - xh * (d * xh).mean(-1, keepdims=True)), grads

    @staticmethod
    def examples() -> list[tuple[LayerNorm, Shape]]:
        return [(LayerNorm(), (5,)), (LayerNorm(), (None, 5))]


def _meeting(t: Array, x: Array, ctx: Context) -> Array:
    """A tensor (..., 1, F), shaped to broadcast with x."""
    return t if x.ndim - len(ctx.replicas) == 2 else t[..., None, :, :]


def _as_tensor(a: Array, ctx: Context) -> Array:
    """(..., 1, F) from (..., [1,] 1, F)."""
    return a if a.ndim - len(ctx.replicas) == 2 else a[..., 0, :, :]
