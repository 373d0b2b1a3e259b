from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from framework import Array, Context, option
from framework_losses._reduction import Reduction, columns, target_columns, weighted_sum, weights


@dataclass(frozen=True)
class MeanSquaredError:
    """J = mean over examples and features of (y - t)^2;  dy = 2 (y - t) / (n F).

    Shapes: y, dy (..., [T,] N, F), t likewise, or of two classes integers 0 and 1 (..., [T,] N) where F = 1; mask
    (..., [T,] N), J (...); n = N, or T N with time. With `reduction: sum` examples are summed, features still averaged.
    After a sigmoid that is confident and wrong it gives small gradients: z = -10, t = 1 gives dJ/dz = -9.08e-5,
    cross-entropy -1. With `low: -1` the targets of labels are -1 and 1 instead of 0 and 1, for a tanh at the end; the
    prediction (y - low) / (1 - low) is then between 0 and 1 as with a sigmoid.
    """

    soft_labels: ClassVar[bool] = True
    reduction: Reduction = option("mean", help="reduction over examples: mean, sum, or sum over time only")
    low: Literal[0, -1] = option(0, help="the target of a label that does not hold: 0, or -1 for tanh")

    @property
    def targets(self) -> tuple[str, ...]:
        """The kinds of target: with -1, labels only."""
        return ("columns", "binary") if self.low else ("real", "columns", "binary")

    def __call__(self, y: Array, t: Array, ctx: Context, mask: Array | None = None) -> tuple[Array, Array]:
        t = target_columns(y, t)
        d = y - (self.low + (1 - self.low) * t if self.low else t)
        losses = (d * d).mean(-1)
        w = weights(y.shape[:-1], ctx, mask, self.reduction)
        return weighted_sum(losses, w, ctx), d * (columns(w) * (2 / y.shape[-1]))

    def predict(self, y: Array, ctx: Context) -> Array:
        """y, or (y + 1) / 2 with low: -1."""
        return (y - self.low) / (1 - self.low) if self.low else y

    @staticmethod
    def examples() -> list[tuple[MeanSquaredError, None]]:
        return [(MeanSquaredError(), None), (MeanSquaredError(low=-1), None)]
