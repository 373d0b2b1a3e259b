from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from framework import Shape, option
from framework_initializers._fans import MODE, Mode, Reading, deviation, fan


@dataclass(frozen=True)
class LecunNormal:
    """W ~ N(0, std^2), std = gain sqrt(1 / n) (LeCun et al. 1998).

    Shapes: W (i, o); n is the fan in, i, unless the layer gives other fans, as a convolution does, or `mode` names another.
    Sums of inputs keep the variance of the inputs.

    The lecture notes print this root as the variance, which is far too large; `reading: literal` draws with that variance,
    to show the effect of the error.
    """

    gain: float = option(1.0, above=0, stackable=True, help="factor on the standard deviation")
    reading: Reading = option("std", help="what the printed root is: the standard deviation, or (literal) the variance")
    mode: Mode = option("fan_in", help=MODE)

    def __call__(self, rng: np.random.Generator, shape: Shape, fans: tuple[int, int] | None = None) -> np.ndarray:
        n = fan(shape, fans, self.mode)
        return self.gain * deviation((1 / n) ** 0.5, self.reading) * rng.standard_normal(shape)
