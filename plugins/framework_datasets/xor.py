from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from framework import Data, Field, option


@dataclass(frozen=True)
class Xor:
    """y = x_1 xor x_2: the four points that no linear classifier can separate (Minsky & Papert 1969).

    Fields: x (4, 2) of 0 and 1, y (4,) labels 0 and 1. All four are for training; with `val`, for validation as well.
    """

    val: bool = option(True, help="validate on the same four points")

    def load(self, rng: np.random.Generator) -> Data:
        x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], float)
        points = {"x": x, "y": (x[:, 0] != x[:, 1]).astype(int)}
        splits = {"train": points, "val": points} if self.val else {"train": points}
        return Data(splits, {"x": Field("NF"), "y": Field("N", "label", 2)})
