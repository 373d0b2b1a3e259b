from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from framework import Data, Field, hookimpl, option
from framework.hooks import Register


@dataclass(frozen=True)
class Rings:
    """Two classes of points: label 0 at radius 1, label 1 at radius 2, with noise e ~ N(0, sigma^2) in both coordinates.

    Fields: x (n, 2), y (n,) labels 0 and 1.
    """

    n: int = option(200, least=2, help="training points; the other splits have half as many")
    sigma: float = option(0.1, least=0, help="standard deviation of the noise")

    def load(self, rng: np.random.Generator) -> Data:
        splits = {}
        for split, n in (("train", self.n), ("val", self.n // 2), ("test", self.n // 2)):
            y, angle = rng.integers(0, 2, n), rng.uniform(0, 2 * np.pi, n)
            x = (1 + y)[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
            splits[split] = {"x": x + self.sigma * rng.standard_normal((n, 2)), "y": y}
        return Data(splits, {"x": Field("NF"), "y": Field("N", "label", 2)})


@hookimpl
def register_datasets(register: Register) -> None:
    register("template_rings", Rings)
