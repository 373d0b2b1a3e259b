from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from framework import Array, Context, option
from framework_metrics._negative import count, ratio


@dataclass(frozen=True)
class F1:
    """F1 = 2 P R / (P + R) of all classes but a negative one: P is the fraction of predicted positives that are right, R the
    fraction of true positives that were found.

    A positive is any class but `negative`; it is right if its class is. Of two classes this is the F1 of class 1. Of more,
    all positives are counted together (micro average), as for relations, where NULL is none. F1 is 0 if none is right.

    Shapes: y predictions (..., [T,] N, K), whose largest value is the class, or a single column, y > 0.5; t integers
    (..., [T,] N); mask (..., [T,] N); counts (..., 3): right, predicted and true positives. A prediction of NaN that
    counts makes it NaN. van Rijsbergen (1979).
    """

    targets: ClassVar[tuple[str, ...]] = ("label",)
    negative: int = option(0, least=0, help="the class that is no positive, as a number")

    def count(self, y: Array, t: Array, ctx: Context, mask: Array | None = None) -> Array:
        return count(self.negative, y, t, ctx, mask)

    def value(self, counts: Array) -> Array:
        return ratio(2 * counts[..., 0], counts[..., 1] + counts[..., 2])
