from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from framework import Array, Context, Params, T, option
from framework_cells.lstm import Lstm


@dataclass(frozen=True)
class PeepholeLstm(Lstm):
    """An LSTM whose gates read c: i, f = sigmoid(a + h_{t-1} U + c_{t-1} V),  g = tanh(a + h_{t-1} U),
    c_t = f c_{t-1} + i g,  o = sigmoid(a + h_{t-1} U + c_t V_o),  h_t = o tanh(c_t).

    Backward: do first, as it reaches dc through V_o: dc += do V_o + dh o (1 - tanh^2 c_t); di, df, dg as in lstm;
    dc_{t-1} = dc f + di V_i + df V_f.

    Shapes: a = x W + b and da (..., N, 4 units), columns i, f, o, g; U (..., units, 4 units); V_i, V_f, V_o concatenated:
    diagonal (..., 1, 3 units), products by elements; full (..., units, 3 units), matrix products. Gers & Schmidhuber (2000)
    have the diagonal, which is the default; the notes leave it open. V starts at 0: an lstm.
    """

    peephole: Literal["diagonal", "full"] = option("diagonal", help="whether a gate reads its own c only, or all")

    def init(self, rng: np.random.Generator) -> Params:
        n = self.units
        return super().init(rng) | {"V": np.zeros((1 if self.peephole == "diagonal" else n, 3 * n))}

    def step(self, p: Params, a: Array, s: Array, ctx: Context) -> tuple[Array, Any]:
        n, xp = self.units, ctx.xp
        h, c = s[..., :n], s[..., n:]
        z = a + h @ p["U"]
        i = _sigmoid(z[..., :n] + self._seen(c, p, 0), xp)
        f = _sigmoid(z[..., n : 2 * n] + self._seen(c, p, 1), xp)
        g = xp.tanh(z[..., 3 * n :])
        c_new = f * c + i * g
        o = _sigmoid(z[..., 2 * n : 3 * n] + self._seen(c_new, p, 2), xp)
        tanh_c = xp.tanh(c_new)
        return xp.concatenate((o * tanh_c, c_new), -1), (h, c, c_new, i, f, o, g, tanh_c)

    def back(self, p: Params, cache: Any, ds: Array, ctx: Context) -> tuple[Array, Array]:
        n = self.units
        _, c, _, i, f, o, g, tanh_c = cache
        dh = ds[..., :n]
        do = dh * tanh_c * (o - o * o)
        dc = ds[..., n:] + dh * o * (1 - tanh_c * tanh_c) + self._unseen(do, p, 2)
        di, df, dg = dc * g * (i - i * i), dc * c * (f - f * f), dc * i * (1 - g * g)
        da = ctx.xp.concatenate((di, df, do, dg), -1)
        dc_before = dc * f + self._unseen(di, p, 0) + self._unseen(df, p, 1)
        return da, ctx.xp.concatenate((da @ T(p["U"]), dc_before), -1)

    def grads(self, p: Params, cache: Any, da: Array, ctx: Context) -> Params:
        n, h, c, c_new = self.units, cache[0], cache[1], cache[2]
        seen = (c, c, c_new)
        dV = [self._dV(seen[k], da[..., k * n : (k + 1) * n]) for k in range(3)]
        return {"U": T(h) @ da, "V": ctx.xp.concatenate(dV, -1)}

    def _V(self, p: Params, k: int) -> Array:
        return p["V"][..., k * self.units : (k + 1) * self.units]

    def _seen(self, c: Array, p: Params, k: int) -> Array:
        """c V_k."""
        return c * self._V(p, k) if self.peephole == "diagonal" else c @ self._V(p, k)

    def _unseen(self, dz: Array, p: Params, k: int) -> Array:
        """The gradient dc through c V_k."""
        return dz * self._V(p, k) if self.peephole == "diagonal" else dz @ T(self._V(p, k))

    def _dV(self, c: Array, dz: Array) -> Array:
        return (c * dz).sum(-2, keepdims=True) if self.peephole == "diagonal" else T(c) @ dz

    def trace(self, cache: Any) -> dict[str, Array]:
        """The gates and the candidate g."""
        return dict(zip("ifog", cache[3:7], strict=True))

    @staticmethod
    def examples() -> list[tuple[Any, None]]:
        return [(PeepholeLstm(3), None), (PeepholeLstm(2, peephole="full"), None)]


def _sigmoid(z: Array, xp: Any) -> Array:
    return 0.5 + 0.5 * xp.tanh(0.5 * z)
