from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from framework import Shape, hookimpl, option
from framework.hooks import Register


@dataclass(frozen=True)
class Signs:
    """W = size s, s = -1 or 1 with equal probability.

    Shapes: W, s (i, o), drawn in float64.
    """

    size: float = option(0.1, above=0, stackable=True, help="absolute value of every weight")

    def __call__(self, rng: np.random.Generator, shape: Shape, fans: tuple[int, int] | None = None) -> np.ndarray:
        return self.size * rng.choice([-1.0, 1.0], shape)


@hookimpl
def register_initializers(register: Register) -> None:
    register("template_signs", Signs)
