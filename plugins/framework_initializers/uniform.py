from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from framework import Shape, option


@dataclass(frozen=True)
class Uniform:
    """W ~ U(-bound, bound), whatever the fans.

    Shapes: W (i, o). Default bound: Keras's.
    """

    bound: float = option(0.05, least=0, stackable=True, help="largest absolute value")

    def __call__(self, rng: np.random.Generator, shape: Shape, fans: tuple[int, int] | None = None) -> np.ndarray:
        return rng.uniform(-1, 1, shape) * self.bound
