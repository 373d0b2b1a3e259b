from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from framework import Data, Field, option, split_at_random
from framework_datasets.digits import scans


@dataclass(frozen=True)
class ShiftedDigits:
    """The digits of `digits`, each in a larger dark frame: in the middle for training, shifted for validation and test.

    Fields: x (n, 1, frame, frame) in 0 ... 1, y (n,) digits 0 ... 9. A digit lies (u, v) pixels off the middle, both any
    integer from -shift to shift equally likely, drawn once by `dataset.seed`; from -train_shift to train_shift in the
    training split. The question is shift invariance: does a network recognize a digit at a position without training
    examples?
    """

    frame: int = option(16, least=8, help="height and width")
    shift: int = option(3, least=0, help="maximum shift of validation and test digits, in pixels")
    train_shift: int = option(0, least=0, help="maximum shift of training digits, in pixels")
    val: float = option(0.2, least=0, below=1, help="fraction for validation")
    test: float = option(0.2, least=0, below=1, help="fraction for the test")

    def load(self, rng: np.random.Generator) -> Data:
        room = (self.frame - 8) // 2
        for name, shift in (("shift", self.shift), ("train_shift", self.train_shift)):
            if shift > room:
                raise ValueError(f"{name}: too large (got {shift} pixels); at most {room} in a frame of {self.frame}")
        pixels, y = scans()
        splits = split_at_random({"x": pixels.reshape(-1, 8, 8) / 16, "y": y}, rng, self.val, self.test)
        for split, arrays in splits.items():
            arrays["x"] = self._placed(arrays["x"], self.train_shift if split == "train" else self.shift, rng)
        fields = {"x": Field("NCHW"), "y": Field("N", "label", 10)}
        return Data(splits, fields, names=[str(digit) for digit in range(10)])

    def _placed(self, x: np.ndarray, shift: int, rng: np.random.Generator) -> np.ndarray:
        """Digits (n, 8, 8) in frames (n, 1, frame, frame), up to `shift` pixels off the middle."""
        wide = np.zeros((x.shape[0], 1, self.frame, self.frame))
        corner = (self.frame - 8) // 2 + rng.integers(-shift, shift + 1, (x.shape[0], 2))
        for image, digit, (row, column) in zip(wide, x, corner, strict=True):
            image[0, row : row + 8, column : column + 8] = digit
        return wide
