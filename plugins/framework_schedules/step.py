from __future__ import annotations

from dataclasses import dataclass

from framework import option


@dataclass(frozen=True)
class Step:
    """factor^k in the k-th stage, k = 0, 1, ...: k = floor(step stages / total).

    The learning rate is lr times that; step = 0, 1, ... of `total`, divided equally into stages. Dividing by ten twice is
    what He et al. (2016) do.
    """

    stages: int = option(3, least=1, help="number of stages")
    factor: float = option(0.1, above=0, help="factor from one stage to the next")

    def __call__(self, step: int, total: int) -> float:
        return self.factor ** (step * self.stages // total)
