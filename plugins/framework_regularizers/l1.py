from __future__ import annotations

from dataclasses import dataclass

from framework import Array, Context, option


@dataclass(frozen=True)
class L1:
    """R = strength sum |W|;  dW = strength sign(W), 0 at 0 (lasso).

    Shapes: W, dW (..., i, o), R (...). The subgradient never makes a weight exactly 0. With `proximal` there is no
    gradient; after each update W <- sign(W) max(|W| - lr strength, 0) instead, with the current rate lr, and weights do
    become 0. Default strength: weak.
    """

    strength: float | Array = option(1e-4, least=0, stackable=True, help="lambda")
    proximal: bool = option(False, help="shrink after the update instead of adding a gradient")
    tensors: str = option("W", help="acts on tensors whose name starts with this")

    @property
    def expected_failures(self) -> dict[str, str]:
        """Checks of the conformance kit that cannot hold."""
        return {"gradient": "it shrinks weights after the update"} if self.proximal else {}

    def __call__(self, W: Array, ctx: Context) -> tuple[Array, Array]:
        strength = ctx.per(self.strength, W)
        penalty = (strength * ctx.xp.abs(W)).sum((-2, -1))
        return penalty, W * 0 if self.proximal else strength * ctx.xp.sign(W)

    def after(self, W: Array, lr: float | Array, ctx: Context) -> None:
        if self.proximal:
            threshold = ctx.per(lr, W) * ctx.per(self.strength, W)
            W[...] = ctx.xp.sign(W) * ctx.xp.maximum(ctx.xp.abs(W) - threshold, 0)
