from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from framework import Array, Context, Params, option
from framework_cells.lstm import Lstm

EPS = 1e-3  # keeps both logarithms finite; the authors' value


@dataclass(frozen=True)
class G2Lstm(Lstm):
    """An LSTM whose gates i and f learn to be 0 or 1: in training i, f = sigmoid((a_t + h_{t-1} U + m n) / temperature),
    with n = log(u + eps) - log(1 + eps - u), u from U(0, 1), and m one with `probability`, else 0. o, g, c and h as in lstm;
    in evaluation there is neither noise nor temperature, and it is an lstm.

    Backward: as lstm, with the slopes of i and f divided by the temperature; n and m are constants.

    Shapes: those of lstm; u and m (..., N, 2 units), eps 0.001. Li et al. (2018): n makes the gate a Gumbel-softmax of two
    outcomes, and a gate that must work under noise moves to the flat ends of the sigmoid, where noise has little effect.

    u and m are drawn at every step, or, if frozen, once per sequence; the authors' programs have both variants. A
    probability of 0 and a temperature of 1 give an lstm in training too, bit by bit. Default: the paper's formula, noise on
    every gate and no preference about temperature; probabilities between 0 and 1 are the authors' dropout of the noise.
    """

    draws: ClassVar[bool] = True
    temperature: float = option(1.0, above=0, stackable=True, help="temperature of i and f, in training")
    probability: float = option(1.0, least=0, most=1, stackable=True, help="probability of noise, for each element")
    frozen: bool = option(False, help="whether all steps of a sequence have the same noise")

    def gated(self, p: Params, a: Array, h: Array, ctx: Context) -> Array:
        """z of all gates, that of i and f with noise and temperature."""
        z = super().gated(p, a, h, ctx)
        if ctx.train:
            two = z[..., : 2 * self.units]
            two += self._noise(two, ctx.but(time=0) if self.frozen else ctx)
            two /= ctx.per(self.temperature, two)
        return z

    def sloped(self, y: Array, ctx: Context) -> Array:
        """dy/dz of all gates."""
        slope = super().sloped(y, ctx)
        if ctx.train:
            two = slope[..., : 2 * self.units]
            two /= ctx.per(self.temperature, two)
        return slope

    def _noise(self, z: Array, ctx: Context) -> Array:
        u, log = ctx.uniform(z), ctx.xp.log
        noise = log(u + EPS) - log(1 + EPS - u)
        return noise * (ctx.uniform(z, draw=1) < ctx.per(self.probability, z))

    @staticmethod
    def examples() -> list[tuple[Any, None]]:
        return [(G2Lstm(3, temperature=0.9, probability=0.5), None), (G2Lstm(2, frozen=True), None)]
