from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from framework import Activation, Array, Context, Initializer, Params, T, option, registered


@dataclass(frozen=True)
class Simple:
    """h_t = f(a_t + h_{t-1} U), the network of Elman (1990);  da = dh f',  dh_{t-1} = da U^T,  dU = h_{t-1}^T da.

    Shapes: a = x W + b, h, da and dh (..., N, units); U (..., units, units). The state is h, and so is the output.

    A gradient over k steps passes through k factors f' U^T: it vanishes or grows like a power. An orthogonal U
    keeps lengths, so that at the start only f' shrinks them (Saxe et al. 2014). Registered as simple and as elman.
    """

    gates: ClassVar[int] = 1
    parts: ClassVar[tuple[str, ...]] = ("h",)
    units: int = option(least=1, help="size of the state")
    activation: Activation = registered("activation", "tanh", inherit=False, help="f")
    recurrent: Initializer = registered("initializer", "orthogonal", inherit=False, help="initial values of U")

    @property
    def state(self) -> int:
        """h."""
        return self.units

    def init(self, rng: np.random.Generator) -> Params:
        return {"U": self.recurrent(rng, (self.units, self.units))}

    def step(self, p: Params, a: Array, s: Array, ctx: Context) -> tuple[Array, Any]:
        h, cache = self.activation.forward(a + s @ p["U"], ctx)
        return h, (s, cache)

    @property
    def fed_back(self) -> int:
        """The columns of h, which reach the next step through U only."""
        return self.units

    def out(self, s: Array) -> Array:
        return s

    def dout(self, dy: Array, ctx: Context) -> Array:
        return dy

    def back(self, p: Params, cache: Any, ds: Array, ctx: Context) -> tuple[Array, Array]:
        da = self.activation.backward(cache[1], ds, ctx)
        return da, da @ T(p["U"])

    def grads(self, p: Params, cache: Any, da: Array, ctx: Context) -> Params:
        return {"U": T(cache[0]) @ da}

    @staticmethod
    def examples() -> list[tuple[Simple, None]]:
        return [(Simple(3), None)]
