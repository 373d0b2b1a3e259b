from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from framework import Array, Context, option
from framework_optimizers._tensors import norm, quotient, tensors


@dataclass(frozen=True)
class Lamb:
    """u = m^ / (sqrt(v^) + eps) + decay w,  w <- w - lr r u,  with r = |w| / |u| for each tensor, and m^, v^ as in adam
    (You et al. 2020).

    Shapes: w, g, m, v, u (..., P); m and v start at 0, t counts the steps from 1. A step of a tensor is the fraction lr of
    its length. r is 1 where w or u is 0, and for tensors whose names do not start with `tensors`: by default biases,
    as usual. Defaults: the paper's.
    """

    lr: float | Array = option(0.001, above=0, stackable=True, help="learning rate")
    beta1: float | Array = option(0.9, least=0, below=1, stackable=True, help="decay of the mean of g")
    beta2: float | Array = option(0.999, least=0, below=1, stackable=True, help="decay of the mean of g^2")
    eps: float | Array = option(1e-6, least=0, stackable=True, help="keeps the quotient finite")
    decay: float | Array = option(0.01, least=0, stackable=True, help="weight decay")
    tensors: str = option("W", help="first letters of the tensors with a trust ratio")

    def init(self, w: Array) -> dict[str, Any]:
        return {"m": w * 0, "v": w * 0, "t": 0}

    def update(self, w: Array, g: Array, state: dict[str, Any], lr: float | Array, ctx: Context) -> None:
        m, v = state["m"], state["v"]
        state["t"] += 1
        m *= ctx.per(self.beta1, w)
        m += ctx.per(1 - self.beta1, w) * g
        v *= ctx.per(self.beta2, w)
        v += ctx.per(1 - self.beta2, w) * g * g
        c1, c2 = (ctx.per(1 / (1 - beta ** state["t"]), w) for beta in (self.beta1, self.beta2))
        step = m * c1 / (ctx.xp.sqrt(v * c2) + ctx.per(self.eps, w)) + ctx.per(self.decay, w) * w
        for part in tensors(w, ctx, self.tensors):
            step[..., part.start : part.stop] *= quotient(norm(w, part, ctx), norm(step, part, ctx), ctx)
        w -= lr * step
