from __future__ import annotations

from dataclasses import dataclass
from math import erf, exp, pi

import numpy as np

from framework import Shape, option


@dataclass(frozen=True)
class TruncatedNormal:
    """W ~ N(0, std^2), drawn again until |W| <= cut std, whatever the fans: no weight is far out.

    Shapes: W (i, o). As in PyTorch's trunc_normal_ and Keras's TruncatedNormal, `std` is that before the cut: with cut = 2
    the weights have the standard deviation 0.8796 std. With `correct` they have std itself, and reach cut std / 0.8796. In
    PyTorch the bounds a and b are -cut std and cut std. Default std: that of BERT (Devlin et al. 2019); cut: Keras's.
    """

    std: float = option(0.02, least=0, stackable=True, help="standard deviation of the normal distribution")
    cut: float = option(2.0, least=0.1, most=10, stackable=True, help="largest absolute value, in units of std")
    correct: bool = option(False, help="whether the weights have the standard deviation std after the cut")

    def __call__(self, rng: np.random.Generator, shape: Shape, fans: tuple[int, int] | None = None) -> np.ndarray:
        W = rng.standard_normal(shape)
        while (far := np.abs(W) > self.cut).any():
            W[far] = rng.standard_normal(int(far.sum()))
        return W * (self.std / self._spread() if self.correct else self.std)

    def _spread(self) -> float:
        """The standard deviation of N(0, 1) between -cut and cut."""
        density = exp(-self.cut * self.cut / 2) / (2 * pi) ** 0.5
        return float((1 - 2 * self.cut * density / erf(self.cut / 2**0.5)) ** 0.5)
