from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from framework import Data, DataError, Field, option


@dataclass(frozen=True)
class LaggedInputs:
    """y_t = (x^1_t + x^2_{t-1} + ... + x^m_{t-m+1}) / sqrt(m) + sigma e_t, x and e ~ N(0, 1): of many inputs only the first
    m matter, each one step later than the one before.

    Fields: x (n, T, features), y (n, T, 1). The constant answer 0 has an mse of 1 + sigma^2, and none is below sigma^2
        (except
    that inputs before the first step are not known). For searches for the relevant inputs.
    """

    features: int = option(15, least=1, help="inputs")
    matter: int = option(3, least=1, help="m, number of inputs that the targets depend on, the first ones")
    sigma: float = option(0.1, least=0, help="standard deviation of the noise")
    length: int = option(10, least=1, help="T, steps")
    n: int = option(100, least=1, help="training sequences")
    n_val: int = option(200, least=0, help="validation sequences")
    n_test: int = option(200, least=0, help="test sequences")

    def load(self, rng: np.random.Generator) -> Data:
        if self.matter > self.features:
            raise DataError(f"dataset.matter: more than dataset.features (got {self.matter} of {self.features})")
        sizes = {"train": self.n, "val": self.n_val, "test": self.n_test}
        return Data({split: self._drawn(n, rng) for split, n in sizes.items() if n}, {"x": Field("NTF"), "y": Field("NTF")})

    def _drawn(self, n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        m = self.matter
        seen = rng.standard_normal((n, m - 1 + self.length, self.features))  # the first m - 1 steps are of the past
        y = sum(seen[:, m - 1 - j : m - 1 - j + self.length, j] for j in range(m)) / np.sqrt(m)
        noise = self.sigma * rng.standard_normal((n, self.length))
        return {"x": seen[:, m - 1 :], "y": (y + noise)[..., None]}
