from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from framework import Array, Context, Loss, registered


@dataclass(frozen=True)
class LossMetric:
    """The mean of any loss over a split, beside the one that is trained: mse while cross-entropy is made small, say.

    Shapes: y raw outputs (..., [T,] N, F), t as the loss wants it, mask (..., [T,] N); counts (..., 2): sum of losses,
    sum of weights.
    """

    raw: ClassVar[bool] = True
    lower_is_better: ClassVar[bool] = True
    loss: Loss = registered("loss", "mse", help="which loss")

    @property
    def targets(self) -> tuple[str, ...]:
        """The kinds of target that the loss takes."""
        return getattr(self.loss, "targets", ("real",))

    @property
    def sources(self) -> int:
        """How many nodes the loss reads."""
        return getattr(self.loss, "sources", 1)

    def count(self, y: Array, t: Array, ctx: Context, mask: Array | None = None) -> Array:
        value, _ = self.loss(y, t, ctx, mask)
        first = y[0] if isinstance(y, tuple) else y
        seen = first[..., 0] * 0 + (1 if mask is None else mask)
        n = seen.sum(tuple(range(len(ctx.replicas) - seen.ndim, 0)))
        total = value if getattr(self.loss, "reduction", "mean") == "sum" else value * n
        return ctx.xp.stack([total, n], -1)

    def value(self, counts: Array) -> Array:
        return counts[..., 0] / counts[..., 1]
