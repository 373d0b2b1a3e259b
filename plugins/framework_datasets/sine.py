from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from framework import Data, Field, option


@dataclass(frozen=True)
class Sine:
    """y = sin(2 pi x) + sigma e,  e ~ N(0, 1),  x ~ U(0, 1): regression with known f and known noise.

    Fields: x (n, 1), y (n, 1). Few training points, so that a large network fits the noise. `outliers` of the training
    points have ten times the noise; the validation and test points have none of them.
    """

    n: int = option(20, least=1, help="training points")
    n_val: int = option(100, least=0, help="validation points")
    n_test: int = option(200, least=0, help="test points")
    sigma: float = option(0.2, least=0, help="standard deviation of the noise")
    outliers: float = option(0.0, least=0, most=1, help="fraction of training points with ten times the noise")

    def load(self, rng: np.random.Generator) -> Data:
        splits = {}
        for split, n in (("train", self.n), ("val", self.n_val), ("test", self.n_test)):
            x = rng.uniform(0, 1, (n, 1))
            if n:
                e = rng.standard_normal((n, 1))
                if split == "train" and self.outliers:
                    e[: round(self.outliers * n)] *= 10
                splits[split] = {"x": x, "y": f(x) + self.sigma * e}
        return Data(splits, {"x": Field("NF"), "y": Field("NF")}, f=f, sigma=self.sigma)


def f(x: np.ndarray) -> np.ndarray:
    """The true function, sin(2 pi x)."""
    return np.sin(2 * np.pi * x)
