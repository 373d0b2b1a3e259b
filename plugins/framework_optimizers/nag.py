from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from framework import Array, Context, option


@dataclass(frozen=True)
class Nag:
    """M <- alpha M - lr g(w + alpha M);  w <- w + M: the gradient is taken at the look-ahead point (Nesterov 1983).

    Shapes: w, g, M (..., P); M starts at 0; g(w + alpha M) is the gradient at those weights. PyTorch and Keras keep the
    look-ahead point itself as their weights; theirs equal w + alpha M here. Default alpha: the usual one.
    """

    elementwise: ClassVar[bool] = True

    lr: float | Array = option(0.01, above=0, stackable=True, help="learning rate")
    alpha: float | Array = option(0.9, least=0, below=1, stackable=True, help="fraction of the last step that is kept")

    def init(self, w: Array) -> dict[str, Any]:
        return {"M": w * 0}

    def lookahead(self, w: Array, state: dict[str, Any], ctx: Context) -> Array:
        ahead = ctx.per(self.alpha, w) * state["M"]
        ahead += w
        return ahead

    def update(self, w: Array, g: Array, state: dict[str, Any], lr: float | Array, ctx: Context) -> None:
        M = state["M"]
        M *= ctx.per(self.alpha, w)
        M -= lr * g
        w += M
