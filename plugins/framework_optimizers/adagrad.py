from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from framework import Array, Context, option


@dataclass(frozen=True)
class Adagrad:
    """G <- G + g^2;  w <- w - lr g / sqrt(G + eps)  (Duchi et al. 2011).

    Shapes: w, g, G (..., P); G begins at 0 (at 0.1 in Keras). Every weight has a separate rate, which only decreases: after
    t gradients of size 1 it is lr / sqrt(t). `epsilon: outside` is sqrt(G) + eps, as in PyTorch; they differ if sqrt(G) is
    below sqrt(eps). Default eps: the lecture notes'; lr: PyTorch's.
    """

    elementwise: ClassVar[bool] = True

    lr: float | Array = option(0.01, above=0, stackable=True, help="learning rate")
    eps: float | Array = option(1e-8, least=0, stackable=True, help="keeps the quotient finite")
    epsilon: Literal["inside", "outside"] = option("inside", help="place of eps")

    def init(self, w: Array) -> dict[str, Any]:
        return {"G": w * 0}

    def update(self, w: Array, g: Array, state: dict[str, Any], lr: float | Array, ctx: Context) -> None:
        G, eps, xp = state["G"], ctx.per(self.eps, w), ctx.xp
        square = g * g
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
