from __future__ import annotations

from dataclasses import dataclass

from framework import Array
from framework_metrics.mse import MeanSquaredErrorMetric


@dataclass(frozen=True)
class RootMeanSquaredError(MeanSquaredErrorMetric):
    """RMSE = sqrt(mean over examples and columns of (y - t)^2), in the unit of the target.

    Shapes are those of mse. Of several columns it is the root of the mean over all of them. That is sqrt(val/loss) with the
    loss mse; the function root_mean_squared_error of scikit-learn takes a root for each column, then their mean.
    """

    def value(self, counts: Array) -> Array:
        root: Array = (counts[..., 0] / counts[..., 1]) ** 0.5
        return root
