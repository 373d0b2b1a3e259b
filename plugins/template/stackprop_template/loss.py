from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from framework import Array, Context, hookimpl
from framework.hooks import Register


@dataclass(frozen=True)
class LogCosh:
    """J = mean over examples and features of log cosh(y - t);  dy = tanh(y - t) / (n F).

    Shapes: y, t, dy (..., [T,] N, F), mask (..., [T,] N), J (...); n = N, or T N with time; a mask weighs the mean.
    """

    targets: ClassVar[tuple[str, ...]] = ("real",)

    def __call__(self, y: Array, t: Array, ctx: Context, mask: Array | None = None) -> tuple[Array, Array]:
        d = y - t
        weight = (ctx.xp.ones_like(y[..., 0]) if mask is None else mask)[..., None]
        core = tuple(range(len(ctx.replicas) - y.ndim, 0))
        total = weight.sum(core, keepdims=True) * y.shape[-1]
        weight = weight / (total + (total == 0))  # a batch that is masked as a whole has no loss
        size = ctx.xp.abs(d)  # log cosh d = |d| + log(1 + e^(-2 |d|)) - log 2, without overflow
        loss = size + ctx.xp.log(1 + ctx.xp.exp(-2 * size)) - ctx.xp.log(ctx.xp.full_like(d, 2.0))
        return (weight * loss).sum(core), weight * ctx.xp.tanh(d)


@hookimpl
def register_losses(register: Register) -> None:
    register("template_log_cosh", LogCosh)
