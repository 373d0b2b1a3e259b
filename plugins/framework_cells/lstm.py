from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from framework import Array, Context, Initializer, Params, T, option, registered
from framework_cells._gates import packed, slopes, squashed


@dataclass(frozen=True)
class Lstm:
    """i, f, o = sigmoid, g = tanh of a_t + h_{t-1} U;  c_t = f c_{t-1} + i g,  h_t = o tanh(c_t).

    Backward: dc += dh o (1 - tanh^2 c_t);  di = dc g, df = dc c_{t-1}, do = dh tanh c_t, dg = dc i, each times its gate's
    slope: da;  dc_{t-1} = dc f,  dh_{t-1} = da U^T,  dU = h_{t-1}^T da.

    Shapes: a = x W + b and da (..., N, 4 units), columns i, f, o, g; U (..., units, 4 units); h and c (..., N, units). The
    state is h and c concatenated, the output h. Along c a gradient is only multiplied by f: with f near 1 it lasts
    (Hochreiter & Schmidhuber 1997; the forget gate is that of Gers et al. 2000).

    Defaults: forget_bias 1, as Jozefowicz et al. (2015) advise; 0 is the formula without it.
    """

    gates: ClassVar[int] = 4
    parts: ClassVar[tuple[str, ...]] = ("h", "c")
    units: int = option(least=1, help="size of h, and of c")
    forget_bias: float = option(1.0, stackable=True, help="initial value of b for the forget gate")
    recurrent: Initializer = registered("initializer", "orthogonal", inherit=False, help="initial values of U, gate by gate")

    @property
    def state(self) -> int:
        """Size of the state: h and c."""
        return 2 * self.units

    def init(self, rng: np.random.Generator) -> Params:
        b = np.zeros((1, 4 * self.units))
        b[:, self.units : 2 * self.units] = self.forget_bias
        return {"U": packed(self.recurrent, rng, self.units, 4), "b": b}

    def step(self, p: Params, a: Array, s: Array, ctx: Context) -> tuple[Array, Any]:
        n = self.units
        h, c = s[..., :n], s[..., n:]
        y = squashed(self.gated(p, a, h, ctx), 3 * n, ctx.xp)
        c_new = y[..., n : 2 * n] * c + y[..., :n] * y[..., 3 * n :]
        tanh_c = ctx.xp.tanh(c_new)
        return ctx.xp.concatenate((y[..., 2 * n : 3 * n] * tanh_c, c_new), -1), (h, c, y, tanh_c)

    def gated(self, p: Params, a: Array, h: Array, ctx: Context) -> Array:
        """The inputs of the gates' activations."""
        return a + h @ p["U"]

    def sloped(self, y: Array, ctx: Context) -> Array:
        """dy/dz of all gates."""
        return slopes(y, 3 * self.units)

    @property
    def fed_back(self) -> int:
        """The columns of h, which reach the next step through U only."""
        return self.units

    def out(self, s: Array) -> Array:
        return s[..., : self.units]

    def dout(self, dy: Array, ctx: Context) -> Array:
        return ctx.xp.concatenate((dy, ctx.xp.zeros_like(dy)), -1)

    def back(self, p: Params, cache: Any, ds: Array, ctx: Context) -> tuple[Array, Array]:
        n = self.units
        _, c, y, tanh_c = cache
        i, f, o, g = (y[..., k * n : (k + 1) * n] for k in range(4))
        dh = ds[..., :n]
        dc = ds[..., n:] + dh * o * (1 - tanh_c * tanh_c)
        da = ctx.xp.concatenate((dc * g, dc * c, dh * tanh_c, dc * i), -1)
        da *= self.sloped(y, ctx)
        return da, ctx.xp.concatenate((da @ T(p["U"]), dc * f), -1)

    def grads(self, p: Params, cache: Any, da: Array, ctx: Context) -> Params:
        return {"U": T(cache[0]) @ da}

    def trace(self, cache: Any) -> dict[str, Array]:
        """The gates and the candidate g."""
        n = self.units
        return {name: cache[2][..., k * n : (k + 1) * n] for k, name in enumerate("ifog")}

    @staticmethod
    def examples() -> list[tuple[Any, None]]:
        return [(Lstm(3), None)]
