from __future__ import annotations

from dataclasses import dataclass

from framework import Array
from framework_metrics._positives import PositiveCounts
from framework_metrics._ratio import ratio


@dataclass(frozen=True)
class F1(PositiveCounts):
    """F1 = 2 P R / (P + R) of all classes but a negative one: P is the fraction of predicted positives that are right, R the
    fraction of true positives that were found.

    A positive is any class but `negative`; it is right if its class is. Of two classes this is the F1 of class 1. Of more,
    all positives are counted together (micro average), as for relations, where NULL is none. F1 is 0 if none is right.

    Shapes: y predictions (..., [T,] N, K), whose largest value is the class, or a single column, y > 0.5; t integers
    (..., [T,] N); mask (..., [T,] N); counts (..., 3): right, predicted and true positives. A prediction of NaN that
    counts makes it NaN. van Rijsbergen (1979).
    """

    def value(self, counts: Array) -> Array:
        return ratio(2 * counts[..., 0], counts[..., 1] + counts[..., 2])
