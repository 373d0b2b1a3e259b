from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from framework import Array, Context, option


@dataclass(frozen=True)
class Lion:
    """w <- w - lr (sign(beta1 m + (1 - beta1) g) + decay w);  m <- beta2 m + (1 - beta2) g  (Chen et al. 2023).

    Shapes: w, g, m (..., P); m starts at 0. Every weight moves by lr, whatever the size of g, so that lr is 3 to 10 times
    smaller than adam's, and decay as many times larger. It needs one array of state, adam two. A weight with m = g = 0 has
    only the decay. Defaults: the paper's.
    """

    elementwise: ClassVar[bool] = True

    lr: float | Array = option(0.0001, above=0, stackable=True, help="learning rate: how far every weight moves")
    beta1: float | Array = option(0.9, least=0, below=1, stackable=True, help="share of m in the direction of a step")
    beta2: float | Array = option(0.99, least=0, below=1, stackable=True, help="decay of the mean of g")
    decay: float | Array = option(0.0, least=0, stackable=True, help="fraction of w removed per step, times lr")

    def init(self, w: Array) -> dict[str, Any]:
        return {"m": w * 0}

    def update(self, w: Array, g: Array, state: dict[str, Any], lr: float | Array, ctx: Context) -> None:
        m, beta1 = state["m"], ctx.per(self.beta1, w)
        step = beta1 * m
        step += ctx.per(1 - self.beta1, w) * g
        step = ctx.xp.sign(step)
        step += ctx.per(self.decay, w) * w
        w -= lr * step
        m *= ctx.per(self.beta2, w)
        m += ctx.per(1 - self.beta2, w) * g
