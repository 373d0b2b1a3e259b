from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from framework import Shape, option


@dataclass(frozen=True)
class Constant:
    """W = value everywhere.

    Shapes: W (i, o). As with zeros, the units of a layer stay identical.
    """

    value: float = option(0.0, stackable=True, help="value of every weight")

    def __call__(self, rng: np.random.Generator, shape: Shape, fans: tuple[int, int] | None = None) -> np.ndarray:
        return np.full(shape, float(self.value))
