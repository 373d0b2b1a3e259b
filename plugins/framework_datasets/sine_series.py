from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from framework import Data, Field, option
from framework_datasets._windows import ahead


@dataclass(frozen=True)
class SineSeries:
    """v_t = sin(2 pi t / period) + sigma e_t,  e_t ~ N(0, 1): a noisy wave, each value predicted from the previous ones.

    Fields: x (n, length, 1), y (n, length, 1), windows and the same one step later. No prediction has an mse below sigma^2.
    The first part of the series trains, the next validates, the last is the test.
    """

    steps: int = option(1000, least=8, help="steps in all")
    period: float = option(25.0, above=0, help="steps of one wave")
    sigma: float = option(0.1, least=0, help="standard deviation of the noise")
    length: int = option(25, least=1, help="T, steps in a window")
    stride: int = option(1, least=1, help="steps between windows")
    val: float = option(0.2, least=0, below=1, help="fraction of the series for validation")
    test: float = option(0.2, least=0, below=1, help="fraction of the series for the test")

    def load(self, rng: np.random.Generator) -> Data:
        wave = np.sin(2 * np.pi / self.period * np.arange(self.steps)) + self.sigma * rng.standard_normal(self.steps)
        splits = ahead(wave[:, None], self.length, self.stride, self.val, self.test)
        return Data(splits, {"x": Field("NTF"), "y": Field("NTF")}, forecast=("x",))
