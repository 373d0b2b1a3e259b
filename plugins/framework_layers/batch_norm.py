from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from framework import Array, Context, Params, Shape, option


@dataclass(frozen=True)
class BatchNorm:
    """y = gamma x^ + beta,  x^ = (x - mu) / sqrt(var + eps), mu and var of the batch, var = mean of (x - mu)^2
    (Ioffe & Szegedy 2015).

    With d = dy gamma and the means over the batch:  dx = (d - mean(d) - x^ mean(d x^)) / sqrt(var + eps);
    dgamma = sum dy x^,  dbeta = sum dy.

    Shapes: x, y (..., N, F), (..., T, N, F) or (..., N, C, H, W); gamma, beta and the buffers mean, var (..., 1, F), one per
    feature or channel, taken over everything else. Outside training the buffers replace the batch; each training step
    updates them: mean <- momentum mean + (1 - momentum) mu (an addition to the lecture notes, which stop at training).
    A batch with a single value of each feature, such as one example of (F,), is rejected: its variance is 0.
    A bias before it has no effect, and a run points it out. Defaults: PyTorch's, whose momentum is 1 - ours, and whose
    buffer holds the unbiased var.
    """

    buffers: ClassVar[tuple[str, ...]] = ("mean", "var")
    over_batch: ClassVar[bool] = True
    centres: ClassVar[bool] = True
    momentum: float | Array = option(0.9, least=0, below=1, stackable=True, help="fraction of the buffers that a step keeps")
    eps: float | Array = option(1e-5, above=0, stackable=True, help="keeps the quotient finite")

    def init(self, rng: np.random.Generator, in_shape: Shape) -> tuple[Params, Shape]:
        F = in_shape[0] if len(in_shape) == 3 else in_shape[-1]
        one, zero = np.ones((1, F)), np.zeros((1, F))
        return {"gamma": one, "beta": zero, "mean": zero.copy(), "var": one.copy()}, in_shape

    def forward(self, p: Params, x: Array, ctx: Context) -> tuple[Array, Any]:
        over = _others(x, ctx)
        if ctx.train:
            mu = x.mean(over, keepdims=True)
            var = ((x - mu) ** 2).mean(over, keepdims=True)
        else:
            mu, var = _meeting(p["mean"], x, ctx), _meeting(p["var"], x, ctx)
        s = 1 / ctx.xp.sqrt(var + ctx.per(self.eps, x))
        xh = (x - mu) * s
        return xh * _meeting(p["gamma"], x, ctx) + _meeting(p["beta"], x, ctx), (xh, s, mu, var)

    def backward(self, p: Params, cache: Any, dy: Array, ctx: Context, need_dx: bool = True) -> tuple[Array | None, Params]:
        xh, s, _, _ = cache
        over = _others(dy, ctx)
        grads = {"gamma": _as_tensor((dy * xh).sum(over, keepdims=True), ctx)}
        grads["beta"] = _as_tensor(dy.sum(over, keepdims=True), ctx)
        if not need_dx:
            return None, grads
        d = dy * _meeting(p["gamma"], dy, ctx)
        if not ctx.train:
            return d * s, grads
        return s * (d - d.mean(over, keepdims=True) - xh * (d * xh).mean(over, keepdims=True)), grads

    def updates(self, p: Params, cache: Any, ctx: Context) -> Params:
        _, _, mu, var = cache
        keep = ctx.per(self.momentum, p["mean"])
        batch = {"mean": _as_tensor(mu, ctx), "var": _as_tensor(var, ctx)}
        return {name: keep * p[name] + (1 - keep) * batch[name] for name in batch}

    @staticmethod
    def examples() -> list[tuple[BatchNorm, Shape]]:
        return [(BatchNorm(), (4,)), (BatchNorm(), (None, 4)), (BatchNorm(), (2, 3, 3))]


def _others(x: Array, ctx: Context) -> tuple[int, ...]:
    """The core axes besides the feature's: N; T and N; or N, H and W."""
    return {2: (-2,), 3: (-3, -2), 4: (-4, -2, -1)}[x.ndim - len(ctx.replicas)]


def _meeting(t: Array, x: Array, ctx: Context) -> Array:
    """A tensor (..., 1, F), shaped to broadcast with x."""
    core = x.ndim - len(ctx.replicas)
    return t if core == 2 else t[..., None, :, :] if core == 3 else t[..., None, None]


def _as_tensor(a: Array, ctx: Context) -> Array:
    """(..., 1, F) from an array whose other core axes are 1."""
    core = a.ndim - len(ctx.replicas)
    return a if core == 2 else a[..., 0, :, :] if core == 3 else a[..., 0, 0]
