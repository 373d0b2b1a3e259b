from __future__ import annotations

from dataclasses import dataclass

from framework import Array, Schedule, option, registered


@dataclass(frozen=True)
class Warmup:
    """factor = (step + 1) / steps in the first `steps` steps; then another schedule over the remaining steps
    (Goyal et al. 2017).

    The learning rate is lr times the factor; step = 0, 1, ... It increases linearly, for gradients that are large at first.
    """

    steps: int = option(100, least=1, help="steps of the increase")
    then: Schedule = registered("schedule", "constant", help="the schedule that follows")

    def __call__(self, step: int, total: int) -> float | Array:
        if step < self.steps:
            return (step + 1) / self.steps
        return self.then(step - self.steps, total - self.steps)
