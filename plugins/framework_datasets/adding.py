from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from framework import Data, Field, option


@dataclass(frozen=True)
class Adding:
    """y = u_i + u_j: the sum of the two marked values of a long sequence u_t ~ U(0, 1), i drawn from its first half, j from
    its second. The constant answer 1 has an mse of 1/6 = 0.167; to do better, both have to be kept for up to T steps.

    Fields: x (n, T, 2), the value and its mark, 1 at i and j and 0 elsewhere; y (n, 1). Hochreiter & Schmidhuber (1997), in
    the form of Le, Jaitly & Hinton (2015).
    """

    length: int = option(100, least=2, help="T, steps")
    n: int = option(2000, least=1, help="training sequences")
    n_val: int = option(500, least=0, help="validation sequences")
    n_test: int = option(500, least=0, help="test sequences")

    def load(self, rng: np.random.Generator) -> Data:
        sizes = {"train": self.n, "val": self.n_val, "test": self.n_test}
        splits = {split: self._drawn(n, rng) for split, n in sizes.items() if n}
        return Data(splits, {"x": Field("NTF"), "y": Field("NF")})

    def _drawn(self, n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        numbers, half = rng.uniform(0, 1, (n, self.length)), self.length // 2
        first, second = rng.integers(0, half, (n, 1)), rng.integers(half, self.length, (n, 1))
        steps = np.arange(self.length)
        marks = (steps == first) | (steps == second)
        return {"x": np.stack([numbers, marks], -1), "y": (numbers * marks).sum(-1, keepdims=True)}
