from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from framework import Activation, Array, Context, Params, option, registered


@dataclass(frozen=True)
class IndRnn:
    """h_t = f(a_t + u h_{t-1}), every unit has one weight u on its past;  da = dh f',  dh_{t-1} = da u,
    du = sum over N of da h_{t-1}.

    Shapes: a = x W + b, h, da and dh (..., N, units); u (..., 1, units). The state is h, and so is the output. The gradient
    k steps back is u^k times the slopes: with relu and u near 1 it neither vanishes nor explodes (Li et al. 2018).

    After each update u is clipped to |u| <= bound. Defaults: u from U(0, 1) and relu, as in the paper; the paper's
    bound for T steps is 2^(1/T), 1.007 for T = 100.
    """

    gates: ClassVar[int] = 1
    parts: ClassVar[tuple[str, ...]] = ("h",)
    units: int = option(least=1, help="size of the state")
    bound: float | None = option(None, above=0, help="maximum |u|, for example 2^(1/T); null: none")
    activation: Activation = registered("activation", "relu", inherit=False, help="f")
    lowest: float = option(0.0, help="initial values of u are drawn from this value ...")
    highest: float = option(1.0, help="... to this value")

    @property
    def state(self) -> int:
        """h."""
        return self.units

    def init(self, rng: np.random.Generator) -> Params:
        return {"u": rng.uniform(self.lowest, self.highest, (1, self.units))}

    def step(self, p: Params, a: Array, s: Array, ctx: Context) -> tuple[Array, Any]:
        h, cache = self.activation.forward(a + s * p["u"], ctx)
        return h, (s, cache)

    @property
    def fed_back(self) -> int:
        """The columns of h, which reach the next step through u only."""
        return self.units

    def out(self, s: Array) -> Array:
        return s

    def dout(self, dy: Array, ctx: Context) -> Array:
        return dy

    def back(self, p: Params, cache: Any, ds: Array, ctx: Context) -> tuple[Array, Array]:
        da = self.activation.backward(cache[1], ds, ctx)
        return da, da * p["u"]

    def grads(self, p: Params, cache: Any, da: Array, ctx: Context) -> Params:
        return {"u": (cache[0] * da).sum(-2, keepdims=True)}

    def project(self, p: Params, ctx: Context) -> None:
        """|u| <= bound, in place."""
        if self.bound is not None:
            ctx.xp.clip(p["u"], -self.bound, self.bound, out=p["u"])

    @staticmethod
    def examples() -> list[tuple[IndRnn, None]]:
        return [(IndRnn(3, bound=0.5), None)]
