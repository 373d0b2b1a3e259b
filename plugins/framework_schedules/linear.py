from __future__ import annotations

from dataclasses import dataclass

from framework import Array, option


@dataclass(frozen=True)
class Linear:
    """factor = start + (end - start) step / (total - 1): start at the first step, end at the last and after it.

    An option is its value times the factor; step = 0, 1, ... of `total`. For the learning rate the usual one decreases to 0;
    for a momentum from 0.5 to 0.99, set the momentum to 0.99, start to 0.505 and end to 1.
    """

    start: float | Array = option(1.0, least=0, stackable=True, help="the factor at the first step")
    end: float | Array = option(0.0, least=0, stackable=True, help="the factor at the last step")

    def __call__(self, step: int, total: int) -> float | Array:
        return self.start + (self.end - self.start) * min(1.0, step / max(1, total - 1))
