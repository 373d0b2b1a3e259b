from __future__ import annotations

from dataclasses import dataclass

from framework import Array, Context, option


@dataclass(frozen=True)
class L2:
    """R = strength sum W^2;  dW = 2 strength W (ridge).

    Shapes: W, dW (..., i, o), R (...). The `weight_decay` of other libraries adds lambda W, without the 2.
    """

    strength: float | Array = option(1e-4, least=0, stackable=True, help="lambda")
    tensors: str = option("W", help="acts on tensors whose name begins so")

    def __call__(self, W: Array, ctx: Context) -> tuple[Array, Array]:
        strength = ctx.per(self.strength, W)
        return (strength * W * W).sum((-2, -1)), 2 * strength * W
