from __future__ import annotations

from dataclasses import dataclass

from framework import Array
from framework_metrics._classes import AveragedMetric
from framework_metrics._ratio import ratio


@dataclass(frozen=True)
class Recall(AveragedMetric):
    """R = the fraction of true positives that were found, with their class; a positive is any class but a negative one.

    Of more than two classes, all positives are counted together (micro average). R is 0 if there are none. Options, shapes
    and averages are those of f1: with `average: macro` a class that is predicted and never true has R = 0, which
    balanced_accuracy leaves out.
    """

    def of(self, right: Array, predicted: Array, true: Array) -> Array:
        return ratio(right, true)
