from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from framework import Array, Context, Params, option
from framework_cells.lstm import Lstm

FAR = 100.0  # sigmoid is exactly 1 here, and exactly 0 at -100


@dataclass(frozen=True)
class FixedLstm(Lstm):
    """An LSTM with some gates fixed at 1 or at 0, whatever their weights. With i = 1, f = 0, o = 1:
    h_t = tanh(tanh(a_t + h_{t-1} U)), a simple network with another activation; with f = 1, i = 1 c adds up all g.

    Backward: as lstm; the slope of a fixed gate is 0, and so is the gradient of its columns of W, U and b.

    Shapes: those of lstm. A fixed gate keeps its columns, so that parameters are counted and drawn as for an lstm; null
    leaves a gate to be learnt, and null for all three gives an lstm, bit by bit. The notes' claim that an LSTM with every
    gate at 1 is a simple recurrent network can be tested with it.
    """

    input: Literal[0, 1] | None = option(None, help="fixed value of i; null: learnt")
    forget: Literal[0, 1] | None = option(None, help="fixed value of f; null: learnt")
    output: Literal[0, 1] | None = option(None, help="fixed value of o; null: learnt")

    def gated(self, p: Params, a: Array, h: Array, ctx: Context) -> Array:
        """z of all gates, with large values for the fixed ones."""
        z, n = super().gated(p, a, h, ctx), self.units
        for k, value in enumerate((self.input, self.forget, self.output)):
            if value is not None:
                z[..., k * n : (k + 1) * n] = FAR if value else -FAR
        return z

    @staticmethod
    def examples() -> list[tuple[Any, None]]:
        return [(FixedLstm(3, forget=1), None), (FixedLstm(2, input=1, forget=0, output=1), None)]
