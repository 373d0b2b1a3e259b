from __future__ import annotations

from dataclasses import dataclass

from framework import Array, Context, hookimpl, option
from framework.hooks import Register


@dataclass(frozen=True)
class Swish:
    """y = x s,  s = 1 / (1 + e^(-beta x));  dx = dy s (1 + beta x (1 - s))  (Ramachandran et al. 2017).

    Shapes: x, y, dy, dx (..., any core axes). beta = 0 halves x, a large beta is relu; 1 is the paper's default.
    """

    beta: float | Array = option(1.0, stackable=True, help="sharpness of the bend")

    def forward(self, x: Array, ctx: Context) -> tuple[Array, tuple[Array, Array]]:
        s = 0.5 * (1 + ctx.xp.tanh(0.5 * ctx.per(self.beta, x) * x))  # the sigmoid, without overflow
        return x * s, (x, s)

    def backward(self, cache: tuple[Array, Array], dy: Array, ctx: Context) -> Array:
        x, s = cache
        return dy * s * (1 + ctx.per(self.beta, x) * x * (1 - s))


@hookimpl
def register_activations(register: Register) -> None:
    register("template_swish", Swish)
