from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from framework import Shape, option
from framework_initializers._fans import fans_of


@dataclass(frozen=True)
class XavierUniform:
    """W ~ U(-a, a), a = gain sqrt(6 / (n_in + n_out)): the variance of xavier_normal, a^2 / 3 (Glorot & Bengio 2010).

    Shapes: W (i, o); n_in = i and n_out = o, unless the layer gives other fans, as a convolution does. It is
    lecun_uniform with mode fan_avg.
    """

    gain: float = option(1.0, above=0, stackable=True, help="factor on the bound a")

    def __call__(self, rng: np.random.Generator, shape: Shape, fans: tuple[int, int] | None = None) -> np.ndarray:
        n_in, n_out = fans_of(shape, fans)
        return rng.uniform(-1, 1, shape) * (self.gain * (6 / (n_in + n_out)) ** 0.5)
