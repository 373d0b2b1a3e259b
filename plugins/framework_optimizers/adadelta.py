from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from framework import Array, Context, option


@dataclass(frozen=True)
class Adadelta:
    """G <- gamma G + (1 - gamma) g^2;  d = sqrt(S + eps) / sqrt(G + eps) g;  S <- gamma S + (1 - gamma) d^2;  w <- w - lr d
    (Zeiler 2012).

    Shapes: w, g, G, S, d (..., P); G and S start at 0. The method has no learning rate: steps have the size of earlier
    steps, and eps decides the first ones. lr = 1 is the method; other libraries have a factor (1 in PyTorch, 0.001 in
    Keras), and so has this one. Default gamma: the lecture notes' and PyTorch's; eps: the paper's.
    """

    elementwise: ClassVar[bool] = True

    lr: float | Array = option(1.0, above=0, stackable=True, help="factor on the step; 1 is the method")
    gamma: float | Array = option(0.9, least=0, below=1, stackable=True, help="decay of both means")
    eps: float | Array = option(1e-6, above=0, stackable=True, help="sets the size of the first steps")

    def init(self, w: Array) -> dict[str, Any]:
        return {"G": w * 0, "S": w * 0}

    def update(self, w: Array, g: Array, state: dict[str, Any], lr: float | Array, ctx: Context) -> None:
        G, S, xp = state["G"], state["S"], ctx.xp
        gamma, rest, eps = ctx.per(self.gamma, w), ctx.per(1 - self.gamma, w), ctx.per(self.eps, w)
        G *= gamma
        G += rest * (g * g)
        d = xp.sqrt(S + eps)
        d /= xp.sqrt(G + eps)
        d *= g
        S *= gamma
        S += rest * (d * d)
        w -= lr * d
