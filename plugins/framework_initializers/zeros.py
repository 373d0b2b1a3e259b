from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from framework import Shape


@dataclass(frozen=True)
class Zeros:
    """W = 0.

    Shapes: W (i, o). Never for all weights of a network: the units of a layer would stay identical.
    """

    def __call__(self, rng: np.random.Generator, shape: Shape, fans: tuple[int, int] | None = None) -> np.ndarray:
        return np.zeros(shape)
