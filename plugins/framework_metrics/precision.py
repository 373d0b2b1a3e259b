from __future__ import annotations

from dataclasses import dataclass

from framework import Array
from framework_metrics._classes import AveragedMetric
from framework_metrics._ratio import ratio


@dataclass(frozen=True)
class Precision(AveragedMetric):
    """P = the fraction of predicted positives that are right; a positive is any class but a negative one.

    Of more than two classes, all positives are counted together (micro average). P is 0 if no class but `negative` is
    predicted. Options, shapes and averages are those of f1: with `average: macro` a class that occurs and is never
    predicted has P = 0.
    """

    def of(self, right: Array, predicted: Array, true: Array) -> Array:
        return ratio(right, predicted)
