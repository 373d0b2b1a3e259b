from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from framework import Array
from framework_metrics._errors import ErrorMetric


@dataclass(frozen=True)
class MeanAbsolutePercentageError(ErrorMetric):
    """MAPE = mean over examples and columns of |y - t| / max(|t|, eps), as a fraction: 0.1 is an error of 10 percent.

    Shapes: y predictions and t (..., [T,] N, F); mask (..., [T,] N) weights; counts (..., 2): the sum of errors, and of
    weights. eps = 2.2e-16, as in scikit-learn: a target of 0 with a wrong prediction has a huge error. For such targets
    take mae.
    """

    EPS: ClassVar[float] = 2.220446049250313e-16  # between 1 and the next number of float64

    def error(self, y: Array, t: Array, xp: Any) -> Array:
        return xp.abs(y - t) / xp.maximum(xp.abs(t), self.EPS)  # type: ignore[no-any-return]
