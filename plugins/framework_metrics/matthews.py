from __future__ import annotations

from dataclasses import dataclass

from framework import Array
from framework_metrics._classes import ClassMetric, by_class
from framework_metrics._ratio import ratio


@dataclass(frozen=True)
class Matthews(ClassMetric):
    """MCC, the correlation of predicted and true classes: 1 is perfect, 0 is chance, also with rare classes.

    With the numbers TP, FP, FN and TN of each class against the others,
    MCC = sum over classes of (TP TN - FP FN) / sqrt(sum of p (n - p) * sum of t (n - t)), for n examples, of which p = TP +
    FP are predicted and t = TP + FN are true. It is 0 if all predictions, or all targets, are of one class. Of two classes
    it lies between -1 and 1. The value of a class, in `stackprop evaluate`, is that of this class against the others.

    Shapes: y, t, mask and counts are those of balanced_accuracy. Matthews (1975); of K classes Gorodkin (2004).
    """

    def of(self, right: Array, predicted: Array, true: Array) -> Array:
        return _correlation(*_sums(right, predicted, true))

    def value(self, counts: Array) -> Array:
        return _correlation(*(a.sum(-1) for a in _sums(*by_class(counts))))


def _sums(right: Array, predicted: Array, true: Array) -> tuple[Array, Array, Array]:
    """Of each class TP TN - FP FN, p (n - p) and t (n - t), over n^2."""
    n = true.sum(-1, keepdims=True)
    tp, p, t = (a / (n + (n == 0)) for a in (right, predicted, true))
    fp, fn = p - tp, t - tp
    return tp * (1 - p - fn) - fp * fn, p * (1 - p), t * (1 - t)


def _correlation(covariance: Array, of_predicted: Array, of_true: Array) -> Array:
    return ratio(covariance, (of_predicted * of_true) ** 0.5)
