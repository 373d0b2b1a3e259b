from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

from framework import Array, Context, Loss, registered


@dataclass(frozen=True)
class LossMetric:
    """Any loss of a whole split, besides the one that is minimized: for example mse with a trained cross-entropy.

    It is the loss of the split as one batch, with any reduction. That is a mean over examples (or over the weights of the
    mask), a sum, or a sum over time and mean over sequences.

    Shapes: y raw outputs (..., [T,] N, F), t as the loss needs it, mask (..., [T,] N); counts (..., 2): sum of losses, and
    the divisor, 0 for a sum.
    """

    raw: ClassVar[bool] = True
    lower_is_better: ClassVar[bool] = True
    loss: Loss = registered("loss", "mse", help="the loss")

    @property
    def targets(self) -> tuple[str, ...]:
        """The kinds of target that the loss accepts."""
        return getattr(self.loss, "targets", ("real",))

    @property
    def soft_labels(self) -> bool:
        """Whether the loss takes probabilities of classes."""
        return getattr(self.loss, "soft_labels", False)

    @property
    def sources(self) -> int:
        """The number of nodes that the loss reads."""
        return getattr(self.loss, "sources", 1)

    def check(self, kind: str, K: int) -> None:
        """Check that the options of the loss fit the target.

        Raises:
            ValueError: they do not.
        """
        if not hasattr(self.loss, "check"):
            return
        try:
            self.loss.check(kind, K)
        except ValueError as error:
            raise ValueError(f"loss.{error}") from error

    def count(self, y: Array, t: Array, ctx: Context, mask: Array | None = None) -> Array:
        value, _ = self.loss(y, t, ctx, mask)
        if hasattr(self.loss, "example_weights"):
            mask = self.loss.example_weights(t, ctx, mask)
        n = _weight(y[0] if isinstance(y, tuple) else y, ctx, mask, getattr(self.loss, "reduction", "mean"))
        return ctx.xp.stack([value * n if n is not None else value, value * 0 + (n if n is not None else 0)], -1)

    def value(self, counts: Array) -> Array:
        total, n = counts[..., 0], counts[..., 1]
        return total / (n + (n == 0))


def _weight(y: Array, ctx: Context, mask: Array | None, reduction: str) -> Any:
    """The divisor of a batch's loss; None for a sum."""
    rows = y.shape[len(ctx.replicas) :]
    rows = rows[:-1] if len(rows) > 1 else rows
    if reduction != "mean":
        return None if reduction == "sum" else rows[-1]
    return prod(rows) if mask is None else mask.sum(tuple(range(len(ctx.replicas) - mask.ndim, 0)))
