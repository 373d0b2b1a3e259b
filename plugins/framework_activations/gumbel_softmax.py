from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from framework import Array, Context, option
from framework_activations._noise import annealed, open_uniform


@dataclass(frozen=True)
class GumbelSoftmax:
    """y = softmax((x + g) / temperature) over the last axis, g = -log(-log U), U ~ Uniform(0, 1), drawn in every step;
    dx = y (dy - sum_j y_j dy_j) / temperature with the same g.

    A choice among K with a gradient: with x = log pi (any shift of it) the largest x + g is at index i with
    probability pi_i. As the temperature decreases to 0, y becomes one-hot; as it increases, uniform.
    `hard` chooses: y is 1 at the largest x + g and 0 elsewhere, and dx is that of the soft y (straight-through), which is
    not the derivative of the hard one.
    In evaluation there is no noise: y = softmax(x / temperature), and hard, 1 at the largest x. The temperature stays.
    With a `rate` r the temperature of a training step is max(lowest, temperature e^(-r step)), and `lowest` in evaluation.

    Shapes: x, g, U, y, dy, dx (..., any core axes, K). Jang, Gu & Poole (2017), who anneal from 1 to 0.5 with r from
    1e-5 to 1e-4; Maddison, Mnih & Teh (2017). One node draws one g per step: a cell that calls it at every time step
    reuses the same noise.
    """

    outputs: ClassVar[str] = "probability"
    temperature: float | Array = option(1.0, above=0, stackable=True, help="near 0 one-hot, for large values uniform")
    hard: bool = option(False, help="one-hot forward, the gradient of the soft y backward")
    rate: float | Array = option(0.0, least=0, stackable=True, help="of annealing, per training step; 0: none")
    lowest: float | Array = option(0.5, above=0, stackable=True, help="the temperature at which annealing ends")

    def forward(self, x: Array, ctx: Context) -> tuple[Array, Array]:
        xp = ctx.xp
        z = x - xp.log(-xp.log(open_uniform(x, ctx))) if ctx.train else x
        e = xp.exp((z - z.max(-1, keepdims=True)) / self._temperature(z, ctx))
        y = e / e.sum(-1, keepdims=True)
        return ((xp.arange(z.shape[-1]) == z.argmax(-1)[..., None]).astype(y.dtype) if self.hard else y), y

    def backward(self, cache: Array, dy: Array, ctx: Context) -> Array:
        y = cache
        return y * (dy - (y * dy).sum(-1, keepdims=True)) / self._temperature(y, ctx)

    def _temperature(self, like: Array, ctx: Context) -> float | Array:
        return annealed(self.temperature, self.rate, self.lowest, like, ctx)

    @staticmethod
    def examples() -> list[tuple[GumbelSoftmax, None]]:
        return [(GumbelSoftmax(), None), (GumbelSoftmax(2.0, rate=0.01, lowest=0.3), None)]
