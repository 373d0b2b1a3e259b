from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from framework import Array, Context, option
from framework_metrics._negative import count, ratio


@dataclass(frozen=True)
class Precision:
    """P = the fraction of predicted positives that are right; a positive is any class but a negative one.

    Of more than two classes, all positives are counted together (micro average). P is 0 if no class but `negative` is
    predicted.

    Shapes: y predictions (..., [T,] N, K), whose largest value is the class, or a single column, y > 0.5; t integers
    (..., [T,] N); mask (..., [T,] N); counts (..., 3): right, predicted and true positives. A prediction of NaN that
    counts makes it NaN.
    """

    targets: ClassVar[tuple[str, ...]] = ("label",)
    negative: int = option(0, least=0, help="the class that is no positive, as a number")

    def count(self, y: Array, t: Array, ctx: Context, mask: Array | None = None) -> Array:
        return count(self.negative, y, t, ctx, mask)

    def value(self, counts: Array) -> Array:
        return ratio(counts[..., 0], counts[..., 1])
