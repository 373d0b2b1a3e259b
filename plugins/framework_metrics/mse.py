from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from framework import Array
from framework_metrics._errors import ErrorMetric


@dataclass(frozen=True)
class MeanSquaredErrorMetric(ErrorMetric):
    """MSE = mean over examples and columns of (y - t)^2.

    Shapes: y predictions and t (..., [T,] N, F); mask (..., [T,] N) weights; counts (..., 2): the sum of errors, and of
    weights. With the loss mse it is the loss of the split; with gaussian_nll y are the means.
    """

    def error(self, y: Array, t: Array, xp: Any) -> Array:
        d = y - t
        return d * d
