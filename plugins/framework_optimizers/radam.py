from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from framework import Array, Context, option


@dataclass(frozen=True)
class Radam:
    """w <- w - lr r sqrt(1 - beta2^t) m^ / (sqrt(v) + eps), and w <- w - lr m^ while rho_t <= 5; m, v and m^ as in adam
    (Liu et al. 2020): the first steps, whose v is a mean of few numbers, do not divide by it.

    rho_t = rho - 2 t beta2^t / (1 - beta2^t) with rho = 2 / (1 - beta2) - 1 is how many numbers v is a mean of, and
    r = sqrt((rho_t - 4) (rho_t - 2) rho / ((rho - 4) (rho - 2) rho_t)), which rises to 1.

    Shapes: w, g, m, v (..., P); m and v start at 0, t counts the steps from 1. At beta2 = 0.999 the first five steps do not
    divide. Equal to PyTorch's RAdam. Defaults: PyTorch's.
    """

    elementwise: ClassVar[bool] = True

    lr: float | Array = option(0.001, above=0, stackable=True, help="learning rate")
    beta1: float | Array = option(0.9, least=0, below=1, stackable=True, help="decay of the mean of g")
    beta2: float | Array = option(0.999, least=0, below=1, stackable=True, help="decay of the mean of g^2")
    eps: float | Array = option(1e-8, least=0, stackable=True, help="keeps the quotient finite")

    def init(self, w: Array) -> dict[str, Any]:
        return {"m": w * 0, "v": w * 0, "t": 0}

    def update(self, w: Array, g: Array, state: dict[str, Any], lr: float | Array, ctx: Context) -> None:
        m, v, xp = state["m"], state["v"], ctx.xp
        state["t"] += 1
        m *= ctx.per(self.beta1, w)
        m += ctx.per(1 - self.beta1, w) * g
        v *= ctx.per(self.beta2, w)
        v += ctx.per(1 - self.beta2, w) * (g * g)
        c1, c2 = 1 - self.beta1 ** state["t"], 1 - self.beta2 ** state["t"]
        divides, r = self._rectified(w, state["t"], ctx)
        below = xp.where(divides, xp.sqrt(v) + ctx.per(self.eps, w), 1)
        w -= lr * ctx.per(1 / c1, w) * m * xp.where(divides, r * ctx.per(c2**0.5, w) / below, 1)

    def _rectified(self, w: Array, t: int, ctx: Context) -> tuple[Array, Array]:
        """Whether a step divides, and r (..., 1 or P); where it does not, r is of no use."""
        xp = ctx.xp
        many = 2 / (1 - self.beta2) - 1
        few = many - 2 * t * self.beta2**t / (1 - self.beta2**t)
        one = xp.ones_like(w[..., :1])
        rho, rho_t = one * ctx.per(many, w), one * ctx.per(few, w)
        divides = rho_t > 5
        rho, rho_t = (xp.where(divides, a, 6 * one) for a in (rho, rho_t))
        return divides, xp.sqrt((rho_t - 4) * (rho_t - 2) * rho / ((rho - 4) * (rho - 2) * rho_t))
