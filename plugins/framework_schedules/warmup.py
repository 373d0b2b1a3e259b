from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from framework import Array, Schedule, option, registered


@dataclass(frozen=True)
class Warmup:
    """factor = (step + 1) / steps in the first `steps` steps; then another schedule over the remaining steps
    (Goyal et al. 2017).

    The learning rate is lr times the factor; step = 0, 1, ... It increases linearly, for gradients that are large at first.
    A schedule that reads validations reads those of the increase too.
    """

    steps: int = option(100, least=1, help="steps of the increase")
    then: Schedule = registered("schedule", "constant", help="the schedule that follows")

    def __call__(self, step: int, total: int, state: Mapping[str, np.ndarray] | None = None) -> float | Array:
        if step < self.steps:
            return (step + 1) / self.steps
        then: Any = self.then
        place = (step - self.steps, total - self.steps)
        factor: float | Array = then(*place, state) if callable(getattr(then, "init", None)) else then(*place)
        return factor

    @property
    def monitor(self) -> str | None:
        """The metric that the schedule that follows reads."""
        return getattr(self.then, "monitor", None)

    def init(self, replicas: tuple[int, ...]) -> dict[str, np.ndarray]:
        then: Any = self.then
        return dict(then.init(replicas)) if callable(getattr(then, "init", None)) else {}

    def validated(
        self, state: dict[str, np.ndarray], metrics: Mapping[str, Any], lower_is_better: Mapping[str, bool]
    ) -> None:
        then: Any = self.then
        if callable(getattr(then, "validated", None)):
            then.validated(state, metrics, lower_is_better)
