from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from framework import Array
from framework_metrics._ranking import RankingMetric
from framework_metrics._ratio import ratio


@dataclass(frozen=True)
class RocAuc(RankingMetric):
    """The area under the ROC curve: how often an example of a class has a larger score than one of another class; equal
    scores count half.

    Of two classes the score is the probability of class 1. Of K classes it is the mean over classes, each against all
    others; of label columns the mean over columns. A class that every example or none has is left out; without any other
    the value is NaN. So are the numbers of scikit-learn (multi_class="ovr", average="macro"). 0.5 is chance, also with rare
    classes. `stackprop evaluate` also shows each class.

    Shapes: y predictions (..., [T,] N, K); t integers (..., [T,] N), or columns of 0 and 1 (..., [T,] N, K); mask
    (..., [T,] N) weights; counts (..., M, 2 C + 1): rows of C scores, truths and a weight, for M = N, or T N with time; C is
    1 for two classes. No sum over batches gives this value. So the rows of a whole split are kept while it is measured:
    4 M (2 C + 1) bytes for each network in float32. Hanley & McNeil (1982).
    """

    def of(self, true: Array, false: Array, xp: Any) -> Array:
        heights = (true[..., 1:] + true[..., :-1]) * 0.5
        area = ((false[..., 1:] - false[..., :-1]) * heights).sum(-1)
        return ratio(area, true[..., -1] * false[..., -1])
