from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from framework import Shape, option


@dataclass(frozen=True)
class Normal:
    """W ~ N(0, std^2), whatever the fans.

    Shapes: W (i, o). Default std: the lecture notes' baseline, under which layers of many units saturate.
    """

    std: float = option(1.0, least=0, stackable=True, help="standard deviation")

    def __call__(self, rng: np.random.Generator, shape: Shape, fans: tuple[int, int] | None = None) -> np.ndarray:
        return self.std * rng.standard_normal(shape)
