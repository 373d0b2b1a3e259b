from __future__ import annotations

from dataclasses import dataclass

from framework import Array, Context, option


@dataclass(frozen=True)
class MaxNorm:
    """|w_j| <= largest for the incoming weights w_j of every unit: after each update W_:j <- W_:j min(1, largest / |W_:j|)
    (Srebro & Shraibman 2005; with dropout, Srivastava et al. 2014, who use 3 to 4).

    Shapes: W (..., i, o), one column per unit. No penalty and no gradient.
    """

    largest: float | Array = option(3.0, above=0, stackable=True, help="maximum norm of a unit's incoming weights")
    tensors: str = option("W", help="acts on tensors whose name starts with this")

    def __call__(self, W: Array, ctx: Context) -> tuple[Array, Array]:
        return (W * 0).sum((-2, -1)), W * 0

    def after(self, W: Array, lr: float | Array, ctx: Context) -> None:
        norm = ctx.xp.sqrt((W * W).sum(-2, keepdims=True))
        largest = ctx.per(self.largest, W)
        W *= ctx.xp.where(norm > largest, largest / norm, ctx.xp.ones_like(norm))
