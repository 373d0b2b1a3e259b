from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from framework import Array, Context, Params, option
from framework_cells.lstm import Lstm


@dataclass(frozen=True)
class MaskedLstm(Lstm):
    """An LSTM in which some connections are missing: lstm with U M (by elements) instead of U and W K instead of
    W, M and K of zeros and ones;  dU = (h_{t-1}^T da) M, dW = (sum x^T da) K. After each update U and W are 0 where M and K
    are.

    Shapes: those of lstm; M like U (..., units, 4 units), K like W (..., F, 4 units), columns i, f, o, g: saved with the
    tensors, not trained. A search over structures (ElSaid et al. 2018: ant colonies) sets `connections`, which keeps or
    leaves out a connection in all four gates. It has hexadecimal digits for each source, the F inputs first, then the
    units, joined by dashes. They hold a bit for each unit that the source leads to, the first unit first, padded to
    eight. 80-c0-... is an input that leads to the first unit, and one that leads to the first and the second. Without
    it all inputs are connected, and a recurrent connection is there with probability `density`.
    """

    buffers: ClassVar[tuple[str, ...]] = ("M", "K")
    density: float = option(1.0, above=0, most=1, help="fraction of recurrent connections that exist")
    connections: str | None = option(None, stackable=True, help="the connections, source by source; null: by density")

    def init(self, rng: np.random.Generator) -> Params:
        p = super().init(rng)
        M = (rng.random(p["U"].shape) < self.density).astype(float)
        if self.connections is not None:
            M = self._read(self.connections)[-self.units :]
        return {**p, "U": p["U"] * M, "M": M}

    def inputs(self, features: int) -> np.ndarray:
        """The mask K of F inputs."""
        if self.connections is None:
            return np.ones((features, 4 * self.units))
        rows = self._read(self.connections)
        if len(rows) != features + self.units:
            raise ValueError(
                f"connections: {len(rows)} sources, but there are {features} inputs and {self.units} units: "
                f"{features + self.units}"
            )
        return rows[:features]

    def _read(self, connections: str) -> np.ndarray:
        """The mask (sources, 4 units) of zeros and ones."""
        digits = 2 * -(-self.units // 8)
        words = connections.split("-")
        for word in words:
            if not re.fullmatch(f"[0-9a-f]{{{digits}}}", word):
                raise ValueError(f"connections: '{word}' is not {digits} hexadecimal digits, as {self.units} units need")
        bits = np.unpackbits(np.frombuffer(bytes.fromhex("".join(words)), np.uint8).reshape(len(words), -1), axis=1)
        return np.tile(bits[:, : self.units].astype(float), 4)

    def step(self, p: Params, a: Array, s: Array, ctx: Context) -> tuple[Array, Any]:
        return super().step(_masked(p), a, s, ctx)

    def back(self, p: Params, cache: Any, ds: Array, ctx: Context) -> tuple[Array, Array]:
        return super().back(_masked(p), cache, ds, ctx)

    def grads(self, p: Params, cache: Any, da: Array, ctx: Context) -> Params:
        dU, M = super().grads(p, cache, da, ctx)["U"], p["M"]
        return {"U": dU * (M if dU.ndim == M.ndim else M[..., None, :, :])}

    def project(self, p: Params, ctx: Context) -> None:
        """U and W are 0 where M and K are, in place: initial values and regularizers do not respect the masks."""
        p["U"] *= p["M"] != 0
        if "K" in p:
            p["W"] *= p["K"] != 0

    @staticmethod
    def examples() -> list[tuple[Any, None]]:
        return [(MaskedLstm(3, density=0.5), None), (MaskedLstm(2, connections="80-40-c0-80-c0"), None)]


def _masked(p: Params) -> Params:
    return {"U": p["U"] * p["M"]}
