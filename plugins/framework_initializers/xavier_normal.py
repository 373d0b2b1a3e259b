from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from framework import Shape, option
from framework_initializers._fans import Reading, deviation, fans_of


@dataclass(frozen=True)
class XavierNormal:
    """W ~ N(0, std^2), std = gain sqrt(2 / (n_in + n_out)) (Glorot & Bengio 2010).

    Shapes: W (i, o); n_in = i and n_out = o, unless the layer gives other fans, as a convolution does. It is
    lecun_normal with mode fan_avg. For sigmoid and tanh: a compromise between keeping the variance forward and backward.

    The lecture notes print this root as the variance, which is far too large; `reading: literal` draws with that variance,
    to show the effect of the error.
    """

    gain: float = option(1.0, above=0, stackable=True, help="factor on the standard deviation")
    reading: Reading = option("std", help="what the printed root is: the standard deviation, or (literal) the variance")

    def __call__(self, rng: np.random.Generator, shape: Shape, fans: tuple[int, int] | None = None) -> np.ndarray:
        n_in, n_out = fans_of(shape, fans)
        return self.gain * deviation((2 / (n_in + n_out)) ** 0.5, self.reading) * rng.standard_normal(shape)
