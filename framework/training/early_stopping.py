"""Early stopping: the monitored value has not improved for `patience` validations, or has reached its goal."""

from __future__ import annotations

import numpy as np

from framework.config.options import EarlyStopping


class BestTracker:
    """The best value so far of every replica.

    Args:
        options: patience and the smallest improvement.
        R: replicas.
        lower_is_better: of the monitored metric.

    Attributes:
        value, epoch: (R,) of the best validation; NaN and 0 before the first.
        stale: (R,) validations since then.
    """

    def __init__(self, options: EarlyStopping, R: int, lower_is_better: bool = True) -> None:
        self.options, self.lower_is_better = options, lower_is_better
        self.value = np.full(R, np.nan)
        self.epoch = np.zeros(R, int)
        self.stale = np.zeros(R, int)

    def update(self, value: np.ndarray, epoch: int) -> np.ndarray:
        """Record the monitored value (R,) of a validation; return which replicas have improved (R,)."""
        gain = (self.value - value) * (1 if self.lower_is_better else -1)
        improved = np.isfinite(value) & (np.isnan(self.value) | (gain > self.options.min_delta))
        self.value = np.where(improved, value, self.value)
        self.epoch = np.where(improved, epoch, self.epoch)
        self.stale = np.where(improved, 0, self.stale + 1)
        return np.asarray(improved)

    def exhausted(self) -> np.ndarray:
        """Which replicas have exhausted their patience (R,)."""
        patience = self.options.patience
        return self.stale >= patience if patience else np.zeros(self.stale.shape, bool)

    def reached(self, value: np.ndarray) -> np.ndarray:
        """Which replicas have reached the goal with the monitored value (R,)."""
        goal = self.options.goal
        if goal is None:
            return np.zeros(value.shape, bool)
        return np.asarray(value <= goal if self.lower_is_better else value >= goal)

    def keep_replicas(self, keep: np.ndarray) -> None:
        """Drop the replicas that have stopped."""
        self.value, self.epoch, self.stale = self.value[keep], self.epoch[keep], self.stale[keep]
