from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from framework import Activation, Array, Context, Initializer, Params, T, option, registered


@dataclass(frozen=True)
class Skip:
    """h_t = f(a_t + h_{t-1} U),  z_t = a^z_t + h_t V + d D: the output z has one more connection, delayed by a step. The
    notes' exercise reads d = h_{t-1} (state); with d = z_{t-1} (output) the delay is between outputs.

    Backward: dV = h_t^T dz, dD = d^T dz, da^z = dz;  dh_t += dz V^T, da = dh_t f', dU = h_{t-1}^T da;  dh_{t-1} = da U^T,
    and d takes dz D^T. So z_{t+1} reaches U on three paths: z_{t+1} h_{t+1} U, then z_{t+1} h_{t+1} h_t U, and past
    h_{t+1}: z_{t+1} h_t U (state), or z_{t+1} z_t h_t U (output).

    Shapes: a and a^z concatenated, x W + b (..., N, 2 units); U, V, D (..., units, units); h, z (..., N, units). The state
    is h and z concatenated, the output z, without an activation. a^z leads from x past h, as the gradients of V and
    D can only come through a; with zeros in that half of W and in D it is a simple network with an output V.
    """

    gates: ClassVar[int] = 2
    parts: ClassVar[tuple[str, ...]] = ("h", "z")
    units: int = option(least=1, help="size of h, and of z")
    delayed: Literal["state", "output"] = option("state", help="what the next output reads: h, or z itself")
    activation: Activation = registered("activation", "tanh", inherit=False, help="f")
    recurrent: Initializer = registered("initializer", "orthogonal", inherit=False, help="initial values of U")
    onward: Initializer = registered("initializer", "xavier_uniform", inherit=False, help="initial values of V and D")

    @property
    def state(self) -> int:
        """Size of the state: h and z."""
        return 2 * self.units

    def init(self, rng: np.random.Generator) -> Params:
        square = (self.units, self.units)
        return {"U": self.recurrent(rng, square), "V": self.onward(rng, square), "D": self.onward(rng, square)}

    def step(self, p: Params, a: Array, s: Array, ctx: Context) -> tuple[Array, Any]:
        n = self.units
        before = s[..., :n]
        h, cache = self.activation.forward(a[..., :n] + before @ p["U"], ctx)
        d = before if self.delayed == "state" else s[..., n:]
        z = a[..., n:] + h @ p["V"] + d @ p["D"]
        return ctx.xp.concatenate((h, z), -1), (before, h, d, cache)

    def out(self, s: Array) -> Array:
        return s[..., self.units :]

    def dout(self, dy: Array, ctx: Context) -> Array:
        return ctx.xp.concatenate((ctx.xp.zeros_like(dy), dy), -1)

    def back(self, p: Params, cache: Any, ds: Array, ctx: Context) -> tuple[Array, Array]:
        n, concatenate = self.units, ctx.xp.concatenate
        dz = ds[..., n:]
        da = self.activation.backward(cache[3], ds[..., :n] + dz @ T(p["V"]), ctx)
        dh, dd = da @ T(p["U"]), dz @ T(p["D"])
        before = (dh + dd, ctx.xp.zeros_like(dd)) if self.delayed == "state" else (dh, dd)
        return concatenate((da, dz), -1), concatenate(before, -1)

    def grads(self, p: Params, cache: Any, da: Array, ctx: Context) -> Params:
        n, before, h, d = self.units, cache[0], cache[1], cache[2]
        dz = da[..., n:]
        return {"U": T(before) @ da[..., :n], "V": T(h) @ dz, "D": T(d) @ dz}

    @staticmethod
    def examples() -> list[tuple[Skip, None]]:
        return [(Skip(3), None), (Skip(2, "output"), None)]
