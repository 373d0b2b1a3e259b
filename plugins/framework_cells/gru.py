from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from framework import Array, Context, Initializer, Params, T, option, registered
from framework_cells._gates import packed, squashed


@dataclass(frozen=True)
class Gru:
    """r, z = sigmoid of a_t + h_{t-1} U;  g = tanh(a_g + (r h_{t-1}) U_g);  h_t = z h_{t-1} + (1 - z) g.

    Backward, with reset: before: dg = dh (1 - z) (1 - g^2), dq = dg U_g^T for q = r h_{t-1}, dr = dq h_{t-1} r (1 - r),
    dz = dh (h_{t-1} - g) z (1 - z);  dh_{t-1} = dh z + dq r + (dr, dz) (U_r, U_z)^T.

    Shapes: a = x W + b and da (..., N, 3 units), columns r, z, g; U (..., units, 3 units), U_g its last columns;
    h (..., N, units). The state is h, and so is the output. Cho et al. (2014).

    reset: before multiplies h by r before the product, as in the notes and the paper. after multiplies the product by r,
    g = tanh(a_g + r (h_{t-1} U_g)), as PyTorch and cuDNN do. z: keep is the formula above. update swaps z and 1 - z,
    h_t = (1 - z) h_{t-1} + z g: the notes have both. They are equal if W and b of z change their signs.
    """

    gates: ClassVar[int] = 3
    parts: ClassVar[tuple[str, ...]] = ("h",)
    units: int = option(least=1, help="size of the state")
    reset: Literal["before", "after"] = option("before", help="whether r multiplies h before or after the product with U")
    z: Literal["keep", "update"] = option("keep", help="what z = 1 means: keep the old state, or use the new one")
    recurrent: Initializer = registered("initializer", "orthogonal", inherit=False, help="initial values of U, gate by gate")

    @property
    def state(self) -> int:
        """h."""
        return self.units

    def init(self, rng: np.random.Generator) -> Params:
        return {"U": packed(self.recurrent, rng, self.units, 3)}

    def step(self, p: Params, a: Array, s: Array, ctx: Context) -> tuple[Array, Any]:
        n, U = self.units, p["U"]
        gates = squashed(a[..., : 2 * n] + s @ U[..., : 2 * n], 2 * n, ctx.xp)
        if self.reset == "before":
            q = gates[..., :n] * s
            g = a[..., 2 * n :] + q @ U[..., 2 * n :]
        else:
            q = s @ U[..., 2 * n :]
            g = a[..., 2 * n :] + gates[..., :n] * q
        ctx.xp.tanh(g, out=g)
        z = gates[..., n:]
        h = g + z * (s - g) if self.z == "keep" else s + z * (g - s)
        return h, (s, gates, g, q)

    def out(self, s: Array) -> Array:
        return s

    def dout(self, dy: Array, ctx: Context) -> Array:
        return dy

    def back(self, p: Params, cache: Any, ds: Array, ctx: Context) -> tuple[Array, Array]:
        n, U, xp = self.units, p["U"], ctx.xp
        s, gates, g, q = cache
        r, z = gates[..., :n], gates[..., n:]
        kept = ds * z if self.z == "keep" else ds - ds * z
        dg = (ds - kept) * (1 - g * g)
        dz = ds * (s - g) if self.z == "keep" else ds * (g - s)
        if self.reset == "before":
            dq = dg @ T(U[..., 2 * n :])
            dr, through = dq * s, dq * r
        else:
            dr, through = dg * q, (dg * r) @ T(U[..., 2 * n :])
        da = xp.concatenate((dr, dz, dg), -1)
        da[..., : 2 * n] *= gates - gates * gates
        return da, kept + through + da[..., : 2 * n] @ T(U[..., : 2 * n])

    def grads(self, p: Params, cache: Any, da: Array, ctx: Context) -> Params:
        n, s, dg = self.units, cache[0], da[..., 2 * self.units :]
        of_g = T(cache[3]) @ dg if self.reset == "before" else T(s) @ (dg * cache[1][..., :n])
        return {"U": ctx.xp.concatenate((T(s) @ da[..., : 2 * n], of_g), -1)}

    def trace(self, cache: Any) -> dict[str, Array]:
        """The gates and the candidate g."""
        return {"r": cache[1][..., : self.units], "z": cache[1][..., self.units :], "g": cache[2]}

    @staticmethod
    def examples() -> list[tuple[Gru, None]]:
        return [(Gru(3), None), (Gru(2, "after"), None), (Gru(2, z="update"), None), (Gru(2, "after", "update"), None)]
