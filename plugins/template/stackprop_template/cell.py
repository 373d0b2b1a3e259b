from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from framework import Array, Context, Params, T, hookimpl, option
from framework.hooks import Register


@dataclass(frozen=True)
class Leaky:
    """h_t = (1 - rate) h_{t-1} + rate (a_t + h_{t-1} U): a linear leaky integrator (Jaeger et al. 2007).

    da = rate ds,  ds_{t-1} = (1 - rate) ds + da U^T,  dU = h_{t-1}^T da.

    Shapes: a = x W + b, h, s, da, ds (..., N, units), U (..., units, units). The state is h, and so is the output.
    """

    gates: ClassVar[int] = 1
    units: int = option(4, least=1, help="size of the state")
    rate: float | Array = option(0.5, above=0, most=1, stackable=True, help="fraction of the state that a step replaces")

    @property
    def state(self) -> int:
        return self.units

    def init(self, rng: np.random.Generator) -> Params:
        return {"U": rng.standard_normal((self.units, self.units)) / self.units}

    def step(self, p: Params, a: Array, s: Array, ctx: Context) -> tuple[Array, tuple[Array, ...]]:
        rate = ctx.per(self.rate, s)
        return (1 - rate) * s + rate * (a + s @ p["U"]), (s,)

    def out(self, s: Array) -> Array:
        return s

    def dout(self, dy: Array, ctx: Context) -> Array:
        return dy

    def back(self, p: Params, cache: tuple[Array, ...], ds: Array, ctx: Context) -> tuple[Array, Array]:
        rate = ctx.per(self.rate, ds)
        da = rate * ds
        return da, (1 - rate) * ds + da @ T(p["U"])

    def grads(self, p: Params, cache: tuple[Array, ...], da: Array, ctx: Context) -> Params:
        return {"U": T(cache[0]) @ da}


@hookimpl
def register_cells(register: Register) -> None:
    register("template_leaky", Leaky)
