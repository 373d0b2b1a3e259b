from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi
from typing import Literal

from framework import Array, option


@dataclass(frozen=True)
class OneCycle:
    """The factor goes from `start` to 1, until step rise total - 1, and then to `final`, until the last step (Smith & Topin
    2018).

    An option is its value times the factor, so that lr is the largest rate; step = 0, 1, ... of `total`. Both parts are half
    a cosine, or a line. After the last step the factor is `final`. A momentum usually goes the other way: with the schedule
    of its option, start and final above 1, and the option at its least value. Equal to PyTorch's OneCycleLR, where
    start = 1 / div_factor and final = start / final_div_factor. Defaults: PyTorch's.
    """

    rise: float = option(0.3, least=0, below=1, help="fraction of the steps in which the factor goes to 1")
    start: float | Array = option(0.04, least=0, stackable=True, help="the factor at the first step")
    final: float | Array = option(4e-6, least=0, stackable=True, help="the factor at the last step")
    shape: Literal["cosine", "linear"] = option("cosine", help="of both parts")

    def __call__(self, step: int, total: int) -> float | Array:
        top = max(0.0, self.rise * total - 1)
        if step < top:
            return self.start + (1 - self.start) * self._part(step / top)
        done = min(1.0, (step - top) / max(1.0, total - 1 - top))
        return 1 + (self.final - 1) * self._part(done)

    def _part(self, x: float) -> float:
        """From 0 to 1."""
        return x if self.shape == "linear" else (1 - cos(pi * x)) / 2
