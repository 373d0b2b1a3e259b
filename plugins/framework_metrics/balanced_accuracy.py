from __future__ import annotations

from dataclasses import dataclass

from framework import Array
from framework_metrics._classes import ClassMetric, by_class
from framework_metrics._ratio import ratio


@dataclass(frozen=True)
class BalancedAccuracy(ClassMetric):
    """The mean over classes of recall, the fraction of the examples of a class that are found.

    Each class counts the same, however rare it is: 1 / K is chance, also for a network that always predicts the largest
    class. Classes without an example are left out, as in scikit-learn. `stackprop evaluate` also shows each class.

    Shapes: y predictions (..., [T,] N, K), whose largest value is the class, or a single column, y > 0.5; t integers
    (..., [T,] N); mask (..., [T,] N) weights; counts (..., 3 K): right, predicted and true examples of each class. A
    prediction of NaN that counts makes it NaN.
    """

    def of(self, right: Array, predicted: Array, true: Array) -> Array:
        return ratio(right, true)

    def value(self, counts: Array) -> Array:
        right, predicted, true = by_class(counts)
        return self.of(right, predicted, true).sum(-1) / (true != 0).sum(-1)
