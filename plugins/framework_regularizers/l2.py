from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from framework import Array, Context, option


@dataclass(frozen=True)
class L2:
    """R = strength sum W^2;  dW = 2 strength W (ridge, as in the lecture notes).

    Shapes: W, dW (..., i, o), R (...). `form: decay` is R = strength / 2 sum W^2, dW = strength W: the `weight_decay` of
    other libraries, half as strong. Default strength: weak.
    """

    strength: float | Array = option(1e-4, least=0, stackable=True, help="lambda")
    form: Literal["notes", "decay"] = option("notes", help="whether the gradient is 2 lambda W or lambda W")
    tensors: str = option("W", help="acts on tensors whose name starts with this")

    def __call__(self, W: Array, ctx: Context) -> tuple[Array, Array]:
        strength = ctx.per(self.strength if self.form == "notes" else self.strength / 2, W)
        return (strength * W * W).sum((-2, -1)), 2 * strength * W
