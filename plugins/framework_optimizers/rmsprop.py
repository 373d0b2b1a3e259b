from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from framework import Array, Context, option


@dataclass(frozen=True)
class Rmsprop:
    """G <- gamma G + (1 - gamma) g^2;  w <- w - lr g / sqrt(G + eps)  (Hinton's lectures, 2012).

    Shapes: w, g, G (..., P); G begins at 0. Adagrad that forgets, for gradients whose size changes. `epsilon: outside` is
    sqrt(G) + eps, as in PyTorch; they part where gradients are smaller than sqrt(eps): the first step for g = 1e-6 differs
    307-fold. Default lr and gamma: the lecture notes'.
    """

    lr: float | Array = option(0.001, above=0, stackable=True, help="learning rate")
    gamma: float | Array = option(0.9, least=0, below=1, stackable=True, help="memory of the mean of g^2")
    eps: float | Array = option(1e-8, least=0, stackable=True, help="keeps the quotient finite")
    epsilon: Literal["inside", "outside"] = option("inside", help="where eps stands")

    def init(self, w: Array) -> dict[str, Any]:
        return {"G": w * 0}

    def update(self, w: Array, g: Array, state: dict[str, Any], lr: float | Array, ctx: Context) -> None:
        G, eps = state["G"], ctx.per(self.eps, w)
        G *= ctx.per(self.gamma, w)
        G += ctx.per(1 - self.gamma, w) * (g * g)
        root = ctx.xp.sqrt(G + eps) if self.epsilon == "inside" else ctx.xp.sqrt(G) + eps
        w -= lr * g / root
