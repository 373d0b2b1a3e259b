from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from framework import Array, Context, option


@dataclass(frozen=True)
class Rmsprop:
    """G <- gamma G + (1 - gamma) g^2;  w <- w - lr g / sqrt(G + eps)  (Hinton's lectures, 2012).

    Shapes: w, g, G (..., P); G starts at 0. As adagrad with decay, for gradients whose size changes. `epsilon: outside` is
    sqrt(G) + eps, as in PyTorch; they differ if gradients are smaller than sqrt(eps): the first step for g = 1e-6 differs
    307-fold. Default lr and gamma: the lecture notes'.
    """

    elementwise: ClassVar[bool] = True

    lr: float | Array = option(0.001, above=0, stackable=True, help="learning rate")
    gamma: float | Array = option(0.9, least=0, below=1, stackable=True, help="decay of the mean of g^2")
    eps: float | Array = option(1e-8, least=0, stackable=True, help="keeps the quotient finite")
    epsilon: Literal["inside", "outside"] = option("inside", help="place of eps")

    def init(self, w: Array) -> dict[str, Any]:
        return {"G": w * 0}

    def update(self, w: Array, g: Array, state: dict[str, Any], lr: float | Array, ctx: Context) -> None:
        G, eps, xp = state["G"], ctx.per(self.eps, w), ctx.xp
        square = g * g
        square *= ctx.per(1 - self.gamma, w)
        G *= ctx.per(self.gamma, w)
        G += square
        if self.epsilon == "inside":
            root = xp.add(G, eps, out=square)
            xp.sqrt(root, out=root)
        else:
            root = xp.sqrt(G, out=square)
            root += eps
        step = lr * g
        step /= root
        w -= step
