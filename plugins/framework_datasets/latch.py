from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from framework import Data, Field, option


@dataclass(frozen=True)
class Latch:
    """y = sign(x_1): the first value, 1 or -1, is the class at the end of the sequence; all values after it are noise,
    x_t ~ N(0, noise^2). To answer, a network has to keep one bit for T - 1 steps, and the noise out.

    Fields: x (n, T, 1), y (n,) labels 0 and 1. The latching problem of Bengio, Simard & Frasconi (1994), with the first
    value given; the long time lags with noise of Hochreiter & Schmidhuber (1997, section 5.3).
    """

    length: int = option(100, least=2, help="T, steps")
    noise: float = option(0.2, least=0, help="standard deviation of the values after the first")
    n: int = option(1000, least=1, help="training sequences")
    n_val: int = option(200, least=0, help="validation sequences")
    n_test: int = option(200, least=0, help="test sequences")

    def load(self, rng: np.random.Generator) -> Data:
        sizes = {"train": self.n, "val": self.n_val, "test": self.n_test}
        splits = {split: self._drawn(n, rng) for split, n in sizes.items() if n}
        return Data(splits, {"x": Field("NTF"), "y": Field("N", "label", 2)})

    def _drawn(self, n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        y, x = rng.integers(0, 2, n), rng.normal(0, self.noise, (n, self.length, 1))
        x[:, 0, 0] = 2 * y - 1
        return {"x": x, "y": y}
