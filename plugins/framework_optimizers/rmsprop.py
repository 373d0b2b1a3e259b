from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from framework import Array, Context, option


@dataclass(frozen=True)
class Rmsprop:
    """G <- gamma G + (1 - gamma) g^2;  w <- w - lr g / sqrt(G + eps)  (Hinton's lectures, 2012).

    Shapes: w, g, G, m, M (..., P); G, m and M start at 0. As adagrad with decay, for gradients whose size changes.
    `epsilon: outside` is sqrt(G) + eps, as in PyTorch; they differ if gradients are smaller than sqrt(eps): the first step
    for g = 1e-6 differs 307-fold. `centered` divides by the root of the variance G - m^2 instead (Graves 2013), with
    m <- gamma m + (1 - gamma) g; rounding below 0 counts as 0. `alpha` adds momentum: M <- alpha M + g / sqrt(G + eps),
    w <- w - lr M. Default lr and gamma: the lecture notes'.
    """

    elementwise: ClassVar[bool] = True

    lr: float | Array = option(0.001, above=0, stackable=True, help="learning rate")
    gamma: float | Array = option(0.9, least=0, below=1, stackable=True, help="decay of the mean of g^2")
    eps: float | Array = option(1e-8, least=0, stackable=True, help="keeps the quotient finite")
    epsilon: Literal["inside", "outside"] = option("inside", help="place of eps")
    centered: bool = option(False, help="whether to divide by the root of the variance of g instead")
    alpha: float | Array | None = option(
        None, least=0, below=1, stackable=True, help="momentum, the fraction of M that is kept; null: none"
    )

    def init(self, w: Array) -> dict[str, Any]:
        state = {"G": w * 0}
        if self.centered:
            state["m"] = w * 0
        if self.alpha is not None:
            state["M"] = w * 0
        return state

    def update(self, w: Array, g: Array, state: dict[str, Any], lr: float | Array, ctx: Context) -> None:
        G, eps, xp = state["G"], ctx.per(self.eps, w), ctx.xp
        square = g * g
        square *= ctx.per(1 - self.gamma, w)
        G *= ctx.per(self.gamma, w)
        G += square
        if self.centered:
            G = self._variance(G, state["m"], g, ctx)
        if self.epsilon == "inside":
            root = xp.add(G, eps, out=square)
            xp.sqrt(root, out=root)
        else:
            root = xp.sqrt(G, out=square)
            root += eps
        if self.alpha is None:
            step = lr * g
            step /= root
        else:
            M = state["M"]
            M *= ctx.per(self.alpha, w)
            M += g / root
            step = lr * M
        w -= step

    def _variance(self, G: Array, m: Array, g: Array, ctx: Context) -> Array:
        m *= ctx.per(self.gamma, g)
        m += ctx.per(1 - self.gamma, g) * g
        return ctx.xp.maximum(G - m * m, 0)
