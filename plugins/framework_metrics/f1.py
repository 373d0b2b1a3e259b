from __future__ import annotations

from dataclasses import dataclass

from framework import Array
from framework_metrics._classes import AveragedMetric
from framework_metrics._ratio import ratio


@dataclass(frozen=True)
class F1(AveragedMetric):
    """F1 = 2 P R / (P + R) of all classes but a negative one: P is the fraction of predicted positives that are right, R the
    fraction of true positives that were found.

    A positive is any class but `negative`; it is right if its class is. Of two classes this is the F1 of class 1. Of more,
    all positives are counted together (micro average), as for relations, where NULL is none. F1 is 0 if none is right.

    `average: macro` is the mean of the F1 of every class that occurs, in the targets or in the predictions;
    `weighted` weights each class by its number of true examples. Both are those of scikit-learn. Of label columns each
    column is a class, and none is negative. `stackprop evaluate` also shows each class.

    Shapes: y predictions (..., [T,] N, K), whose largest value is the class, or a single column, y > 0.5; t integers
    (..., [T,] N), or columns of 0 and 1 (..., [T,] N, K), predicted as y > 0.5; mask (..., [T,] N); counts
    (..., 3 + 3 K): right, predicted and true positives, then those of each class. A prediction of NaN that counts makes it
    NaN. van Rijsbergen (1979).
    """

    def of(self, right: Array, predicted: Array, true: Array) -> Array:
        return ratio(2 * right, predicted + true)
