from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from framework import Array, Context, Params, Shape, option
from framework_layers._examples import as_tensor, features, in_one_axis, meeting


@dataclass(frozen=True)
class LayerNorm:
    """y = gamma x^ + beta,  x^ = (x - mu) / sqrt(var + eps), mu and var over the features of one example
    (Ba, Kiros & Hinton 2016): no batch is needed, training and evaluation are the same.

    With d = dy gamma:  dx = (d - mean(d) - x^ mean(d x^)) / sqrt(var + eps);  dgamma = sum dy x^,  dbeta = sum dy.

    Shapes: x, y (..., [T,] N, F); gamma, beta (..., 1, F). Images (..., N, C, H, W): mu and var over C, H and W, and every
    value has its own gamma and beta (..., 1, C H W), as PyTorch's LayerNorm([C, H, W]); group_norm with one group has them
    by channel. Default eps: PyTorch's.
    """

    eps: float | Array = option(1e-5, above=0, stackable=True, help="keeps the quotient finite")

    def init(self, rng: np.random.Generator, in_shape: Shape) -> tuple[Params, Shape]:
        n = features("layer_norm", in_shape)
        return {"gamma": np.ones((1, n)), "beta": np.zeros((1, n))}, in_shape

    def forward(self, p: Params, x: Array, ctx: Context) -> tuple[Array, Any]:
        a = in_one_axis(x, ctx)
        xc = a - a.mean(-1, keepdims=True)
        s = 1 / ctx.xp.sqrt((xc * xc).mean(-1, keepdims=True) + ctx.per(self.eps, a))
        xh = xc * s
        y = xh * meeting(p["gamma"], a, ctx) + meeting(p["beta"], a, ctx)
        return y.reshape(*y.shape[: len(ctx.replicas)], *x.shape[len(ctx.replicas) :]), (xh, s)

    def backward(self, p: Params, cache: Any, dy: Array, ctx: Context, need_dx: bool = True) -> tuple[Array | None, Params]:
        xh, s = cache
        d = in_one_axis(dy, ctx)
        grads = {"gamma": as_tensor(d * xh, ctx), "beta": as_tensor(d, ctx)}
        if not need_dx:
            return None, grads
        d = d * meeting(p["gamma"], d, ctx)
        return (s * (d - d.mean(-1, keepdims=True) - xh * (d * xh).mean(-1, keepdims=True))).reshape(dy.shape), grads

    @staticmethod
    def examples() -> list[tuple[LayerNorm, Shape]]:
        return [(LayerNorm(), (5,)), (LayerNorm(), (None, 5)), (LayerNorm(), (2, 3, 2))]
