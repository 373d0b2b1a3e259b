from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from framework import Data, Field, option
from framework_datasets._windows import ahead

DAYS = ("sunny", "cloudy", "rainy", "thundery")


@dataclass(frozen=True)
class Weather:
    """S, C, R, T, S, C, R, T ...: sunny, cloudy, rainy, thundery days in turn; with probability `noise` a day equals the
    previous one, as in S, S, C, R, T. The target of a day is the next one.

    Fields: x (n, length) ids, y (n, length) labels, both S = 0, C = 1, R = 2, T = 3. The best possible network is
    right with probability 1 - noise. Three years, as in the lecture notes; validation and test are the last days.
    """

    days: int = option(1095, least=8, help="days in all")
    noise: float = option(0.01, least=0, most=1, help="probability that a day equals the previous one")
    length: int = option(12, least=1, help="days in a window")
    stride: int = option(1, least=1, help="days between windows")
    val: float = option(0.2, least=0, below=1, help="fraction of the days for validation")
    test: float = option(0.2, least=0, below=1, help="fraction of the days for the test")

    def load(self, rng: np.random.Generator) -> Data:
        moves = rng.uniform(size=self.days) >= self.noise
        series = (moves.cumsum() - moves[0]) % 4
        splits = ahead(series, self.length, self.stride, self.val, self.test)
        return Data(splits, {"x": Field("NT", "id", 4), "y": Field("NT", "label", 4)}, names=DAYS, forecast=("x",))
