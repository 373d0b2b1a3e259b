from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from framework import Array, Context, option
from framework_activations._normal import normal_cdf

ROOT = (2 / 3.141592653589793) ** 0.5
CUBE = 0.044715


@dataclass(frozen=True)
class Gelu:
    """y = x/2 (1 + tanh u),  u = sqrt(2/pi) (x + 0.044715 x^3);
    dx = dy (1/2 (1 + tanh u) + x/2 (1 - tanh^2 u) sqrt(2/pi) (1 + 0.134145 x^2)).

    Shapes: x, y, dy, dx (..., any core axes). The tanh form of Hendrycks & Gimpel (2016), within 5e-4 of x Phi(x).
    `form: exact` is y = x Phi(x), dx = dy (Phi(x) + x e^(-x^2/2) / sqrt(2 pi)), with Phi the distribution function of
    N(0, 1), computed to 1e-15. In PyTorch and Keras the exact form is the default.
    """

    per_example: ClassVar[bool] = True
    form: Literal["tanh", "exact"] = option("tanh", help="whether Phi is approximated by tanh, or exact, which is slower")

    def forward(self, x: Array, ctx: Context) -> tuple[Array, Any]:
        if self.form == "exact":
            phi, bell = normal_cdf(x, ctx)
            return x * phi, (x, phi, bell)
        tanh = ctx.xp.tanh(ROOT * (x + CUBE * x * x * x))
        return 0.5 * x * (1 + tanh), (x, tanh)

    def backward(self, cache: Any, dy: Array, ctx: Context) -> Array:
        if self.form == "exact":
            x, phi, bell = cache
            return dy * (phi + 0.5 * ROOT * x * bell)
        x, tanh = cache
        return dy * (0.5 * (1 + tanh) + 0.5 * x * (1 - tanh * tanh) * (ROOT * (1 + 3 * CUBE * x * x)))
