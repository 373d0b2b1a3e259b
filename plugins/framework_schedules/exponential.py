from __future__ import annotations

from dataclasses import dataclass

from framework import option


@dataclass(frozen=True)
class Exponential:
    """factor = final^(step / total).

    The learning rate is lr times the factor; step = 0, 1, ... of `total`. It decreases by the same fraction in every step,
    from 1 towards `final`, which is the factor after the last.
    """

    final: float = option(0.01, above=0, help="the factor after the last step")

    def __call__(self, step: int, total: int) -> float:
        return float(self.final ** (step / total))
