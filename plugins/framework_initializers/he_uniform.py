from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from framework import Shape, option
from framework_initializers._fans import fans_of


@dataclass(frozen=True)
class HeUniform:
    """W ~ U(-a, a), a = gain sqrt(6 / n_in): the variance of he_normal, a^2 / 3 (He et al. 2015).

    Shapes: W (i, o); n_in = i, unless the layer gives other fans, as a convolution does.
    """

    gain: float = option(1.0, above=0, stackable=True, help="factor on the bound a")

    def __call__(self, rng: np.random.Generator, shape: Shape, fans: tuple[int, int] | None = None) -> np.ndarray:
        n_in, _ = fans_of(shape, fans)
        return rng.uniform(-1, 1, shape) * (self.gain * (6 / n_in) ** 0.5)
