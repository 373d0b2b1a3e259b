from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from framework import Array, Context, option


@dataclass(frozen=True)
class Nadam:
    """m <- beta1 m + (1 - beta1) g,  v <- beta2 v + (1 - beta2) g^2,  w <- w - lr m^ / (sqrt(v / (1 - beta2^t)) + eps)
    with m^ = mu_(t+1) m / (1 - prod_(t+1)) + (1 - mu_t) g / (1 - prod_t): adam with Nesterov's momentum (Dozat 2016).

    mu_t = beta1 (1 - 0.5 * 0.96^(t psi)) rises slowly to beta1, and prod_t = mu_1 mu_2 ... mu_t.

    Shapes: w, g, m, v, prod (..., P); m and v start at 0, prod at 1, t counts the steps from 1. Equal to PyTorch's NAdam.
    Defaults: PyTorch's; psi: the paper's.
    """

    elementwise: ClassVar[bool] = True

    lr: float | Array = option(0.002, above=0, stackable=True, help="learning rate")
    beta1: float | Array = option(0.9, least=0, below=1, stackable=True, help="decay of the mean of g, after many steps")
    beta2: float | Array = option(0.999, least=0, below=1, stackable=True, help="decay of the mean of g^2")
    eps: float | Array = option(1e-8, least=0, stackable=True, help="keeps the quotient finite")
    psi: float | Array = option(0.004, least=0, stackable=True, help="speed at which mu_t rises; 0: it stays at beta1 / 2")

    def init(self, w: Array) -> dict[str, Any]:
        return {"m": w * 0, "v": w * 0, "prod": w * 0 + 1, "t": 0}

    def update(self, w: Array, g: Array, state: dict[str, Any], lr: float | Array, ctx: Context) -> None:
        m, v, prod = state["m"], state["v"], state["prod"]
        state["t"] += 1
        now, ahead = (ctx.per(self._mu(state["t"] + i), w) for i in (0, 1))
        m *= ctx.per(self.beta1, w)
        m += ctx.per(1 - self.beta1, w) * g
        v *= ctx.per(self.beta2, w)
        v += ctx.per(1 - self.beta2, w) * (g * g)
        prod *= now
        step = ahead * m / (1 - ahead * prod)
        step += (1 - now) * g / (1 - prod)
        step /= ctx.xp.sqrt(v * ctx.per(1 / (1 - self.beta2 ** state["t"]), w)) + ctx.per(self.eps, w)
        w -= lr * step

    def _mu(self, t: int) -> float | Array:
        return self.beta1 * (1 - 0.5 * 0.96 ** (t * self.psi))
