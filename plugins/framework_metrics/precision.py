from __future__ import annotations

from dataclasses import dataclass

from framework import Array
from framework_metrics._positives import PositiveCounts
from framework_metrics._ratio import ratio


@dataclass(frozen=True)
class Precision(PositiveCounts):
    """P = the fraction of predicted positives that are right; a positive is any class but a negative one.

    Of more than two classes, all positives are counted together (micro average). P is 0 if no class but `negative` is
    predicted.

    Shapes: y predictions (..., [T,] N, K), whose largest value is the class, or a single column, y > 0.5; t integers
    (..., [T,] N); mask (..., [T,] N); counts (..., 3): right, predicted and true positives. A prediction of NaN that
    counts makes it NaN.
    """

    def value(self, counts: Array) -> Array:
        return ratio(counts[..., 0], counts[..., 1])
