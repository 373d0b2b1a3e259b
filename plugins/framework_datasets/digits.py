from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from framework import Data, Field, option, split_at_random


@dataclass(frozen=True)
class Digits:
    """1,797 real handwritten digits of 43 people, 8 x 8 pixels: the UCI Optdigits test set (Alpaydin & Kaynak 1998),
    which scikit-learn carries.

    Fields: x (n, 1, 8, 8) in 0 ... 1 (the scans' 0 ... 16, divided by 16), y (n,) digits 0 ... 9.
    """

    val: float = option(0.2, least=0, below=1, help="fraction for validation")
    test: float = option(0.2, least=0, below=1, help="fraction for the test")

    def load(self, rng: np.random.Generator) -> Data:
        from sklearn.datasets import load_digits  # importing scikit-learn takes a second

        scans = load_digits()
        fields = {"x": scans.images[:, None] / 16, "y": scans.target}
        splits = split_at_random(fields, rng, self.val, self.test)
        names = [str(digit) for digit in scans.target_names]
        return Data(splits, {"x": Field("NCHW"), "y": Field("N", "label", 10)}, names=names)
