from __future__ import annotations

from dataclasses import dataclass

from framework import Array, Context, hookimpl, option
from framework.hooks import Register


@dataclass(frozen=True)
class ColumnSums:
    """R = strength sum over columns of s^2, s the sum of a column of W;  dW = 2 strength s, the same in every row.

    Shapes: W, dW (..., i, o), s (..., 1, o), R (...).
    """

    strength: float | Array = option(1e-3, least=0, stackable=True, help="lambda")
    tensors: str = option("W", help="acts on tensors whose name starts with this")

    def __call__(self, W: Array, ctx: Context) -> tuple[Array, Array]:
        strength, s = ctx.per(self.strength, W), W.sum(-2, keepdims=True)
        return (strength * s * s).sum((-2, -1)), 2 * strength * s + 0 * W


@hookimpl
def register_regularizers(register: Register) -> None:
    register("template_column_sums", ColumnSums)
