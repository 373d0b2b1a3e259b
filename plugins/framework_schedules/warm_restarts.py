from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi

from framework import Array, option


@dataclass(frozen=True)
class WarmRestarts:
    """factor = final + (1 - final) (1 + cos(pi i / n)) / 2 at step i of a cycle of n steps; each cycle starts at 1 again
    (SGDR, Loshchilov & Hutter 2017).

    The learning rate is lr times the factor; step = 0, 1, ... of `total`. The training has `cycles` cycles, each `growth`
    times as long as the one before: of 70 steps, three cycles with growth 2 have 10, 20 and 40. After the last step the
    factor is `final`. In PyTorch, T_mult = growth and T_0 is the length of the first cycle. Default growth: the paper's.
    """

    cycles: int = option(3, least=1, most=30, help="number of cycles")
    growth: int = option(2, least=1, most=10, help="length of a cycle, relative to the one before")
    final: float | Array = option(0.0, least=0, stackable=True, help="the factor at the end of a cycle")

    def __call__(self, step: int, total: int) -> float | Array:
        lengths = [self.growth**k for k in range(self.cycles)]
        place = step * sum(lengths)  # in whole numbers, so that a restart is at its step exactly
        for n in lengths:
            if place < n * total:
                return self.final + (1 - self.final) * (1 + cos(pi * place / (n * total))) / 2
            place -= n * total
        return self.final
