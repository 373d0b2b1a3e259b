from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from framework import Array
from framework_metrics._errors import ErrorMetric


@dataclass(frozen=True)
class MeanAbsoluteErrorMetric(ErrorMetric):
    """MAE = mean over examples and columns of |y - t|, in the unit of the target.

    Shapes: y predictions and t (..., [T,] N, F); mask (..., [T,] N) weights; counts (..., 2): the sum of errors, and of
    weights. With the loss mae it is the loss of the split.
    """

    def error(self, y: Array, t: Array, xp: Any) -> Array:
        return xp.abs(y - t)  # type: ignore[no-any-return]
