from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from framework import option


@dataclass(frozen=True)
class HorizontalFlip:
    """y[n, c, i, j] = x[n, c, i, W - 1 - j] with the given probability, else x: left and right are exchanged.

    Shapes: x, y (N, C, H, W); drawn separately for every example. Two flips are the identity. Only where a mirror image
    keeps its label: a mirrored cat is one, a mirrored 2 is not.

    Default: flipped with probability 1/2, as if the mirror images were in the training set too (Krizhevsky et al. 2012).
    """

    axes: ClassVar[tuple[str, ...]] = ("NCHW",)
    probability: float = option(0.5, least=0, most=1, stackable=True, help="probability that an example is flipped")

    def __call__(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        flipped = rng.random(x.shape[0]) < self.probability
        return np.where(flipped[:, None, None, None], x[..., ::-1], x)
