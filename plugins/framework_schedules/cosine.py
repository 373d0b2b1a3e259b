from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi

from framework import option


@dataclass(frozen=True)
class Cosine:
    """factor = final + (1 - final) (1 + cos(pi step / total)) / 2  (Loshchilov & Hutter 2017, without restarts).

    The learning rate is lr times the factor; step = 0, 1, ... of `total`. It decreases slowly, fast, then slowly again.
    Default: the paper's.
    """

    final: float = option(0.0, least=0, help="the factor at the end")

    def __call__(self, step: int, total: int) -> float:
        return self.final + (1 - self.final) * (1 + cos(pi * step / total)) / 2
