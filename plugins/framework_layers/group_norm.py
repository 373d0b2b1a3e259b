from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from framework import Array, Context, Params, Shape, option


@dataclass(frozen=True)
class GroupNorm:
    """y = gamma x^ + beta,  x^ = (x - mu) / sqrt(var + eps), mu and var over one group of channels of one image
    (Wu & He 2018): no batch is needed, training and evaluation are the same.

    With d = dy gamma and the means over a group:  dx = (d - mean(d) - x^ mean(d x^)) / sqrt(var + eps);
    dgamma = sum dy x^,  dbeta = sum dy.

    Shapes: x, y (..., N, C, H, W), a group has C / groups channels; gamma, beta (..., 1, C), one per channel. With one group
    the statistics are those of layer_norm, with C groups those of instance normalization. The paper takes 32 groups.
    Default eps: PyTorch's.
    """

    per_example: ClassVar[bool] = True
    groups: int = option(least=1, help="equal parts of the channels")
    eps: float | Array = option(1e-5, above=0, stackable=True, help="keeps the quotient finite")

    def init(self, rng: np.random.Generator, in_shape: Shape) -> tuple[Params, Shape]:
        if len(in_shape) != 3:
            raise ValueError(f"group_norm needs images (C, H, W) (got {in_shape}); for features there is layer_norm")
        C, H, W = in_shape
        if C % self.groups:
            raise ValueError(f"groups: must divide the {C} channels (got {self.groups})")
        if self.groups == C * H * W:
            raise ValueError("group_norm needs two values or more in a group; a single one is always 0")
        return {"gamma": np.ones((1, C)), "beta": np.zeros((1, C))}, in_shape

    def forward(self, p: Params, x: Array, ctx: Context) -> tuple[Array, Any]:
        a = self._grouped(x)
        xc = a - a.mean(-1, keepdims=True)
        s = 1 / ctx.xp.sqrt((xc * xc).mean(-1, keepdims=True) + ctx.per(self.eps, a))
        xh = xc * s
        shape = (*xh.shape[:-2], *x.shape[-3:])
        return xh.reshape(shape) * p["gamma"][..., None, None] + p["beta"][..., None, None], (xh, s)

    def backward(self, p: Params, cache: Any, dy: Array, ctx: Context, need_dx: bool = True) -> tuple[Array | None, Params]:
        xh, s = cache
        others = (-4, -2, -1)
        products = dy * xh.reshape(*xh.shape[:-2], *dy.shape[-3:])
        grads = {name: a.sum(others, keepdims=True)[..., 0, 0] for name, a in (("gamma", products), ("beta", dy))}
        if not need_dx:
            return None, grads
        d = self._grouped(dy * p["gamma"][..., None, None])
        dx = s * (d - d.mean(-1, keepdims=True) - xh * (d * xh).mean(-1, keepdims=True))
        return dx.reshape(dy.shape), grads

    def _grouped(self, x: Array) -> Array:
        """(..., N, C, H, W) as (..., N, groups, values of a group)."""
        C, H, W = x.shape[-3:]
        return x.reshape(*x.shape[:-3], self.groups, C // self.groups * H * W)

    @staticmethod
    def examples() -> list[tuple[GroupNorm, Shape]]:
        return [(GroupNorm(1), (2, 3, 2)), (GroupNorm(2), (4, 2, 2))]
