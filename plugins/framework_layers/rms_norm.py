from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from framework import Array, Context, Params, Shape, option
from framework_layers._examples import as_tensor, features, in_one_axis, meeting


@dataclass(frozen=True)
class RmsNorm:
    """y = gamma x^,  x^ = x / sqrt(mean of x^2 + eps), the mean over the features of one example (Zhang & Sennrich 2019): a
    layer_norm that does not subtract the mean, and has no beta.

    With d = dy gamma:  dx = (d - x^ mean(d x^)) / sqrt(mean of x^2 + eps);  dgamma = sum dy x^.

    Shapes: x, y (..., [T,] N, F); gamma (..., 1, F). Images (..., N, C, H, W): the mean over C, H and W, gamma
    (..., 1, C H W). Default eps: that of layer_norm; PyTorch's RMSNorm has the machine epsilon.
    """

    per_example: ClassVar[bool] = True
    eps: float | Array = option(1e-5, above=0, stackable=True, help="keeps the quotient finite")

    def init(self, rng: np.random.Generator, in_shape: Shape) -> tuple[Params, Shape]:
        return {"gamma": np.ones((1, features("rms_norm", in_shape)))}, in_shape

    def forward(self, p: Params, x: Array, ctx: Context) -> tuple[Array, Any]:
        a = in_one_axis(x, ctx)
        s = 1 / ctx.xp.sqrt((a * a).mean(-1, keepdims=True) + ctx.per(self.eps, a))
        xh = a * s
        y = xh * meeting(p["gamma"], a, ctx)
        return y.reshape(*y.shape[: len(ctx.replicas)], *x.shape[len(ctx.replicas) :]), (xh, s)

    def backward(self, p: Params, cache: Any, dy: Array, ctx: Context, need_dx: bool = True) -> tuple[Array | None, Params]:
        xh, s = cache
        d = in_one_axis(dy, ctx)
        grads = {"gamma": as_tensor(d * xh, ctx)}
        if not need_dx:
            return None, grads
        d = d * meeting(p["gamma"], d, ctx)
        return (s * (d - xh * (d * xh).mean(-1, keepdims=True))).reshape(dy.shape), grads

    @staticmethod
    def examples() -> list[tuple[RmsNorm, Shape]]:
        return [(RmsNorm(), (5,)), (RmsNorm(), (None, 5)), (RmsNorm(), (2, 3, 2))]
