from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from framework import Shape, option
from framework_initializers._fans import MODE, Mode, Reading, fan


@dataclass(frozen=True)
class LecunUniform:
    """W ~ U(-a, a), a = gain sqrt(3 / n): the variance of lecun_normal, 1 / n (LeCun et al. 1998).

    Shapes: W (i, o); n is the fan in, i, unless the layer gives other fans, as a convolution does, or `mode` names another.

    The lecture notes print a = sqrt(1 / n), whose variance is a third of that; `reading: literal` uses that.
    """

    gain: float = option(1.0, above=0, stackable=True, help="factor on the bound a")
    reading: Reading = option("std", help="std: the variance is 1 / n; literal: the bound the notes print")
    mode: Mode = option("fan_in", help=MODE)

    def __call__(self, rng: np.random.Generator, shape: Shape, fans: tuple[int, int] | None = None) -> np.ndarray:
        n = fan(shape, fans, self.mode)
        bound = (3 / n) ** 0.5 if self.reading == "std" else (1 / n) ** 0.5
        return rng.uniform(-1, 1, shape) * (self.gain * bound)
