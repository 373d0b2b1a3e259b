from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from framework import Shape, option
from framework_initializers._fans import MODE, Mode, fan


@dataclass(frozen=True)
class HeUniform:
    """W ~ U(-a, a), a = gain sqrt(6 / n): the variance of he_normal, a^2 / 3 (He et al. 2015).

    Shapes: W (i, o); n is the fan in, i, unless the layer gives other fans, as a convolution does, or `mode` names another.
    """

    gain: float = option(1.0, above=0, stackable=True, help="factor on the bound a")
    mode: Mode = option("fan_in", help=MODE)

    def __call__(self, rng: np.random.Generator, shape: Shape, fans: tuple[int, int] | None = None) -> np.ndarray:
        n = fan(shape, fans, self.mode)
        return rng.uniform(-1, 1, shape) * (self.gain * (6 / n) ** 0.5)
