from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from framework import Array, option


@dataclass(frozen=True)
class ReduceOnPlateau:
    """The factor starts at 1 and is multiplied by `factor` when `monitor` has not improved for `patience` validations, down
    to `least`; then the count starts again.

    State, for each replica: factor, best value, validations without improvement, (...) each. Whether lower is better is
    declared by the metric. A validation that is not finite is no improvement. With val/loss 5, 4, 4, 4, 3, 3, 3 and patience
    2 the factor is 1 until the fourth validation, then 0.1, and 0.01 after the seventh. Patience counts as in Keras and in
    early stopping; PyTorch waits for one more validation. Default factor and patience: those of PyTorch and Keras.
    """

    factor: float | Array = option(0.1, above=0, below=1, stackable=True, help="of each reduction")
    patience: int | Array = option(10, least=1, stackable=True, help="validations without improvement before a reduction")
    monitor: str = option("val/loss", help="the metric that must improve; train/loss is the mean since the last validation")
    min_delta: float | Array = option(1e-4, least=0, stackable=True, help="smallest change that counts as an improvement")
    least: float | Array = option(0.0, least=0, below=1, stackable=True, help="smallest factor")

    def init(self, replicas: tuple[int, ...]) -> dict[str, np.ndarray]:
        return {"factor": np.ones(replicas), "best": np.full(replicas, np.nan), "stale": np.zeros(replicas, int)}

    def __call__(self, step: int, total: int, state: Mapping[str, np.ndarray]) -> np.ndarray:
        return state["factor"].copy()

    def validated(
        self, state: dict[str, np.ndarray], metrics: Mapping[str, Any], lower_is_better: Mapping[str, bool]
    ) -> None:
        value, best = np.asarray(metrics[self.monitor], float), state["best"]
        gain = (best - value) * (1 if lower_is_better.get(self.monitor, True) else -1)
        improved = np.isfinite(value) & (np.isnan(best) | (gain > self.min_delta))
        stale = np.where(improved, 0, state["stale"] + 1)
        falls = stale >= self.patience
        reduced = np.maximum(state["factor"] * self.factor, self.least)
        state["best"][...] = np.where(improved, value, best)
        state["stale"][...] = np.where(falls, 0, stale)
        state["factor"][...] = np.where(falls, reduced, state["factor"])
