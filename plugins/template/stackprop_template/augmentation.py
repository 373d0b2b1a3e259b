from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from framework import hookimpl, option
from framework.hooks import Register


@dataclass(frozen=True)
class Gain:
    """y = x s,  log s ~ U(-log factor, log factor), one s for each example.

    Shapes: x, y (N, F), s (N, 1).
    """

    axes: ClassVar[tuple[str, ...]] = ("NF",)
    factor: float = option(1.1, least=1, stackable=True, help="largest s, and 1 / factor the smallest")

    def __call__(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        s = np.power(self.factor, rng.uniform(-1, 1, (x.shape[0], 1)))
        y: np.ndarray = x * s.astype(x.dtype)
        return y


@hookimpl
def register_augmentations(register: Register) -> None:
    register("template_gain", Gain)
