from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from framework import Array, Context, option
from framework_activations._noise import annealed, open_uniform


@dataclass(frozen=True)
class GumbelSigmoid:
    """y = sigmoid((x + log U - log(1 - U)) / temperature), U ~ Uniform(0, 1), drawn in every step;
    dx = dy y (1 - y) / temperature with the same U.

    A gate with a gradient: y > 1/2 with probability sigmoid(x) at every temperature, and y is nearly 0 or 1 at
    low ones: P(y >= 1 - e) = sigmoid(x - temperature log((1 - e) / e)).
    `hard` decides: y is 1 where the noisy x is above 0, else 0, and dx is that of the soft y (straight-through), which is
    not the derivative of the hard one.
    In evaluation there is no noise: y = sigmoid(x / temperature), and hard, 1 where x > 0. The temperature stays.
    With a `rate` r the temperature of a training step is max(lowest, temperature e^(-r step)), and `lowest` in evaluation.

    Shapes: x, U, y, dy, dx (..., any core axes). The binary case of gumbel_softmax: Maddison, Mnih & Teh (2017); Jang, Gu &
    Poole (2017). One node draws one U per step: a cell that calls it at every time step reuses the same noise.
    """

    outputs: ClassVar[str] = "probability"
    temperature: float | Array = option(1.0, above=0, stackable=True, help="near 0 the gate is nearly 0 or 1")
    hard: bool = option(False, help="0 or 1 forward, the gradient of the soft y backward")
    rate: float | Array = option(0.0, least=0, stackable=True, help="of annealing, per training step; 0: none")
    lowest: float | Array = option(0.5, above=0, stackable=True, help="the temperature at which annealing ends")

    def forward(self, x: Array, ctx: Context) -> tuple[Array, Array]:
        xp, z = ctx.xp, x
        if ctx.train:
            u = open_uniform(x, ctx)
            z = x + (xp.log(u) - xp.log1p(-u))
        a = z / self._temperature(z, ctx)
        y = xp.exp(xp.minimum(a, 0)) / (1 + xp.exp(-xp.abs(a)))
        return ((z > 0).astype(y.dtype) if self.hard else y), y

    def backward(self, cache: Array, dy: Array, ctx: Context) -> Array:
        y = cache
        return dy * y * (1 - y) / self._temperature(y, ctx)

    def _temperature(self, like: Array, ctx: Context) -> float | Array:
        return annealed(self.temperature, self.rate, self.lowest, like, ctx)

    @staticmethod
    def examples() -> list[tuple[GumbelSigmoid, None]]:
        return [(GumbelSigmoid(), None), (GumbelSigmoid(2.0, rate=0.01, lowest=0.3), None)]
