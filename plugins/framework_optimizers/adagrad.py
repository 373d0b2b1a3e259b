from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from framework import Array, Context, option


@dataclass(frozen=True)
class Adagrad:
    """G <- G + g^2;  w <- w - lr g / sqrt(G + eps)  (Duchi et al. 2011).

    Shapes: w, g, G (..., P); G begins at `start`: 0, as in PyTorch (0.1 in Keras). Every weight has a separate rate, which
    only decreases: after t gradients of size 1 it is lr / sqrt(t). `epsilon: outside` is sqrt(G) + eps, as in PyTorch; they
    differ if sqrt(G) is below sqrt(eps). `root: false` is lr g / (G + eps), which the notes call much worse: after t
    gradients of size 1 the rate is lr / t, and the step depends on the scale of the gradients. Default eps: the lecture
    notes'; lr: PyTorch's.
    """

    elementwise: ClassVar[bool] = True

    lr: float | Array = option(0.01, above=0, stackable=True, help="learning rate")
    eps: float | Array = option(1e-8, least=0, stackable=True, help="keeps the quotient finite")
    epsilon: Literal["inside", "outside"] = option("inside", help="place of eps")
    root: bool = option(True, help="whether to divide by the root of G; false: by G")
    start: float = option(0.0, least=0, help="value of G before the first step")

    def init(self, w: Array) -> dict[str, Any]:
        return {"G": w * 0 + self.start}

    def update(self, w: Array, g: Array, state: dict[str, Any], lr: float | Array, ctx: Context) -> None:
        G, eps, xp = state["G"], ctx.per(self.eps, w), ctx.xp
        square = g * g
        G += square
        if self.epsilon == "inside" or not self.root:
            below = xp.add(G, eps, out=square)
            below = xp.sqrt(below, out=below) if self.root else below
        else:
            below = xp.sqrt(G, out=square)
            below += eps
        step = lr * g
        step /= below
        w -= step
