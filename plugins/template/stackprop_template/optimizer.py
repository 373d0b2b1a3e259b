from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from framework import Array, Context, hookimpl, option
from framework.hooks import Register


@dataclass(frozen=True)
class Signum:
    """M <- alpha M + (1 - alpha) g;  w <- w - lr sign(M)  (Bernstein et al. 2018): every weight moves by lr, whatever g is.

    Shapes: w, g, M (..., P), lr (..., 1) or a number.
    """

    lr: float | Array = option(0.001, above=0, stackable=True, help="learning rate")
    alpha: float | Array = option(0.9, least=0, below=1, stackable=True, help="fraction of the mean of g that is kept")

    def init(self, w: Array) -> dict[str, Any]:
        return {"M": w * 0}

    def update(self, w: Array, g: Array, state: dict[str, Any], lr: float | Array, ctx: Context) -> None:
        M, alpha = state["M"], ctx.per(self.alpha, w)
        M *= alpha
        M += (1 - alpha) * g
        w -= lr * ctx.xp.sign(M)


@hookimpl
def register_optimizers(register: Register) -> None:
    register("template_signum", Signum)
