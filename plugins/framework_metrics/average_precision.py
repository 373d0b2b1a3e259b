from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from framework import Array
from framework_metrics._ranking import RankingMetric
from framework_metrics._ratio import ratio


@dataclass(frozen=True)
class AveragePrecision(RankingMetric):
    """AP = sum over thresholds of (R_n - R_(n-1)) P_n: the precision P_n of the examples with the largest scores, averaged
    over the recall R_n. It is the area under the curve of precision and recall, as steps.

    For a rare class it tells more than roc_auc: chance is the fraction of that class, not 0.5. Scores, classes, columns,
    shapes and memory are those of roc_auc, and so is the mean over classes; scikit-learn has the same values.
    """

    def of(self, true: Array, false: Array, xp: Any) -> Array:
        precision = ratio(true[..., 1:], true[..., 1:] + false[..., 1:])
        area = ((true[..., 1:] - true[..., :-1]) * precision).sum(-1)
        return ratio(area, true[..., -1])
