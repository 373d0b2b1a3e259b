from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from framework import Data, Field, option, split_at_random
from framework_datasets._from_sklearn import numbers


@dataclass(frozen=True)
class Digits:
    """1,797 real handwritten digits of 43 people, 8 x 8 pixels: the UCI Optdigits test set (Alpaydin & Kaynak 1998),
    from scikit-learn.

    Fields: x (n, 1, 8, 8) in 0 ... 1 (the scans' 0 ... 16, divided by 16), y (n,) digits 0 ... 9.
    """

    val: float = option(0.2, least=0, below=1, help="fraction for validation")
    test: float = option(0.2, least=0, below=1, help="fraction for the test")

    def load(self, rng: np.random.Generator) -> Data:
        x, y = scans()
        splits = split_at_random({"x": x.reshape(-1, 1, 8, 8) / 16, "y": y}, rng, self.val, self.test)
        fields = {"x": Field("NCHW"), "y": Field("N", "label", 10)}
        return Data(splits, fields, names=[str(digit) for digit in range(10)])


def scans() -> tuple[np.ndarray, np.ndarray]:
    """Pixels (1797, 64) from 0 to 16, and digits (1797,)."""
    table = numbers("digits.csv.gz")
    return table[:, :-1], table[:, -1].astype(int)
