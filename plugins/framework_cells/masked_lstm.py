from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from framework import Array, Context, Params, option
from framework_cells.lstm import Lstm


@dataclass(frozen=True)
class MaskedLstm(Lstm):
    """An LSTM in which some recurrent connections are missing: lstm with U M in the place of U (by elements), M of zeros and
    ones;  dU = (h_{t-1}^T da) M. After each update U is 0 where M is.

    Shapes: those of lstm; M like U (..., units, 4 units), columns i, f, o, g: kept with the tensors, not trained. M is
    drawn, a connection being there with probability `density`; or it is given as a first value of the tensor M
    (`Learner.initial`): this is how a search over structures (ElSaid et al. 2018: ant colonies) tries its cells.

    Only recurrent connections: W belongs to the layer. Inputs are left out by a dense node before it, bias: false and
    frozen: true, with an identity matrix some of whose ones are 0.
    """

    buffers: ClassVar[tuple[str, ...]] = ("M",)
    density: float = option(1.0, above=0, most=1, help="share of recurrent connections that are there")

    def init(self, rng: np.random.Generator) -> Params:
        p = super().init(rng)
        M = (rng.random(p["U"].shape) < self.density).astype(float)
        return {**p, "U": p["U"] * M, "M": M}

    def step(self, p: Params, a: Array, s: Array, ctx: Context) -> tuple[Array, Any]:
        return super().step(_masked(p), a, s, ctx)

    def back(self, p: Params, cache: Any, ds: Array, ctx: Context) -> tuple[Array, Array]:
        return super().back(_masked(p), cache, ds, ctx)

    def grads(self, p: Params, cache: Any, da: Array, ctx: Context) -> Params:
        dU, M = super().grads(p, cache, da, ctx)["U"], p["M"]
        return {"U": dU * (M if dU.ndim == M.ndim else M[..., None, :, :])}

    def project(self, p: Params, ctx: Context) -> None:
        """U is 0 where M is, in place: first values and regularizers know nothing of M."""
        p["U"] *= p["M"] != 0

    @staticmethod
    def examples() -> list[tuple[Any, None]]:
        return [(MaskedLstm(3, density=0.5), None)]


def _masked(p: Params) -> Params:
    return {"U": p["U"] * p["M"]}
