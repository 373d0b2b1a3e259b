from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from framework import Array, Context, option
from framework_activations._noise import open_uniform


@dataclass(frozen=True)
class GumbelSigmoid:
    """y = sigmoid((x + log U - log(1 - U)) / temperature), U ~ Uniform(0, 1), drawn in every step;
    dx = dy y (1 - y) / temperature with the same U.

    A gate with a gradient: y > 1/2 with probability sigmoid(x) at every temperature, and y is nearly 0 or 1 at
    low ones: P(y >= 1 - e) = sigmoid(x - temperature log((1 - e) / e)).
    `hard` decides: y is 1 where the noisy x is above 0, else 0, and dx is that of the soft y (straight-through), which is
    not the derivative of the hard one.
    In evaluation there is no noise: y = sigmoid(x / temperature), and hard, 1 where x > 0. The temperature stays.

    Shapes: x, U, y, dy, dx (..., any core axes). The binary case of gumbel_softmax: Maddison, Mnih & Teh (2017); Jang, Gu &
    Poole (2017). One node draws one U per step: a cell that calls it at every time step reuses the same noise.
    """

    outputs: ClassVar[str] = "probability"
    temperature: float | Array = option(1.0, above=0, stackable=True, help="near 0 the gate is nearly 0 or 1")
    hard: bool = option(False, help="0 or 1 forward, the gradient of the soft y backward")

    def forward(self, x: Array, ctx: Context) -> tuple[Array, Array]:
        xp, z = ctx.xp, x
        if ctx.train:
            u = open_uniform(x, ctx)
            z = x + (xp.log(u) - xp.log1p(-u))
        a = z / ctx.per(self.temperature, z)
        y = xp.exp(xp.minimum(a, 0)) / (1 + xp.exp(-xp.abs(a)))
        return ((z > 0).astype(y.dtype) if self.hard else y), y

    def backward(self, cache: Array, dy: Array, ctx: Context) -> Array:
        y = cache
        return dy * y * (1 - y) / ctx.per(self.temperature, y)
