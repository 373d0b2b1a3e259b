from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Constant:
    """factor = 1 at every step: the learning rate is the optimizer's."""

    def __call__(self, step: int, total: int) -> float:
        return 1.0
