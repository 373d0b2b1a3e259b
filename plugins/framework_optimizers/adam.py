from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from framework import Array, Context, option


@dataclass(frozen=True)
class Adam:
    """m <- beta1 m + (1 - beta1) g,  v <- beta2 v + (1 - beta2) g^2,  w <- w - lr m^ / sqrt(v^ + eps)
    with m^ = m / (1 - beta1^t),  v^ = v / (1 - beta2^t)  (Kingma & Ba 2015).

    Shapes: w, g, m, v (..., P); m and v start at 0, t counts the steps from 1. The position of epsilon is an option:
    `inside` the root, as in the lecture notes; `outside`, m^ / (sqrt(v^) + eps), as in the paper's algorithm 1 and PyTorch;
    `hat`, the paper's epsilon-hat and Keras, w <- w - lr sqrt(1 - beta2^t) / (1 - beta1^t) m / (sqrt(v) + eps). They differ
    if gradients are smaller than sqrt(eps). Without `correct`, m^ = m and v^ = v: with gradients of equal size the first
    step is (1 - beta1) / sqrt(1 - beta2) times as long, 3.16 times at the defaults. With `amsgrad`, the largest v so far
    takes the place of v, so that the rate of a weight does not grow again (Reddi et al. 2018). Defaults: the paper's.
    """

    elementwise: ClassVar[bool] = True

    lr: float | Array = option(0.001, above=0, stackable=True, help="learning rate")
    beta1: float | Array = option(0.9, least=0, below=1, stackable=True, help="decay of the mean of g")
    beta2: float | Array = option(0.999, least=0, below=1, stackable=True, help="decay of the mean of g^2")
    eps: float | Array = option(1e-8, least=0, stackable=True, help="keeps the quotient finite")
    epsilon: Literal["inside", "outside", "hat"] = option("inside", help="place of eps")
    correct: bool = option(True, help="whether the bias of m and v towards 0 is corrected")
    amsgrad: bool = option(False, help="whether to divide by the largest v so far")

    def init(self, w: Array) -> dict[str, Any]:
        largest = {"largest": w * 0} if self.amsgrad else {}
        return {"m": w * 0, "v": w * 0, "t": 0, **largest}

    def update(self, w: Array, g: Array, state: dict[str, Any], lr: float | Array, ctx: Context) -> None:
        m, v = state["m"], state["v"]
        state["t"] += 1
        eps, correction = self._folded(state["t"])

        m *= ctx.per(self.beta1, w)
        m += ctx.per(1 - self.beta1, w) * g
        v *= ctx.per(self.beta2, w)
        square = g * g
        square *= ctx.per(1 - self.beta2, w)
        v += square
        if self.amsgrad:
            v = ctx.xp.maximum(state["largest"], v, out=state["largest"])
        if self.epsilon == "inside":
            root = ctx.xp.add(v, ctx.per(eps, w), out=square)
            ctx.xp.sqrt(root, out=root)
        else:
            root = ctx.xp.sqrt(v, out=square)
            root += ctx.per(eps, w)
        step = ctx.xp.divide(m, root, out=root)
        step *= lr * ctx.per(correction, w)
        w -= step

    def _folded(self, t: int) -> tuple[float | Array, float | Array]:
        """The corrections, computed in float64 and folded into eps and a factor on lr: six passes over w instead of nine."""
        far = t if self.correct else float("inf")  # for t to infinity the corrections are 1
        c1, c2 = 1 - self.beta1**far, 1 - self.beta2**far
        eps = {"inside": self.eps * c2, "outside": self.eps * c2**0.5, "hat": self.eps}[self.epsilon]
        return eps, c2**0.5 / c1
