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
    examples? `zoom` and `slant` ask the same of scaling and distortion: a digit becomes 1 / zoom to zoom times as large, and
    its rows are moved by up to slant pixels per row of distance from its middle, to either side (bilinear).
    """

    frame: int = option(16, least=8, help="height and width")
    shift: int = option(3, least=0, help="maximum shift of validation and test digits, in pixels")
    train_shift: int = option(0, least=0, help="maximum shift of training digits, in pixels")
    zoom: float = option(1.0, least=1, most=2, help="maximum factor of the size of validation and test digits")
    train_zoom: float = option(1.0, least=1, most=2, help="maximum factor of the size of training digits")
    slant: float = option(0.0, least=0, most=1, help="maximum slant of validation and test digits, pixels per row")
    train_slant: float = option(0.0, least=0, most=1, help="maximum slant of training digits, pixels per row")
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
            train = split == "train"
            arrays["x"] = self._placed(arrays["x"], self.train_shift if train else self.shift, rng)
            zoom, slant = (self.train_zoom, self.train_slant) if train else (self.zoom, self.slant)
            if zoom > 1 or slant > 0:
                arrays["x"] = _distorted(arrays["x"], zoom, slant, rng)
        fields = {"x": Field("NCHW"), "y": Field("N", "label", 10)}
        return Data(splits, fields, names=[str(digit) for digit in range(10)])

    def _placed(self, x: np.ndarray, shift: int, rng: np.random.Generator) -> np.ndarray:
        """Digits (n, 8, 8) in frames (n, 1, frame, frame), up to `shift` pixels off the middle."""
        wide = np.zeros((x.shape[0], 1, self.frame, self.frame))
        corner = (self.frame - 8) // 2 + rng.integers(-shift, shift + 1, (x.shape[0], 2))
        for image, digit, (row, column) in zip(wide, x, corner, strict=True):
            image[0, row : row + 8, column : column + 8] = digit
        return wide


def _distorted(x: np.ndarray, zoom: float, slant: float, rng: np.random.Generator) -> np.ndarray:
    """Images (n, 1, H, W), sized and slanted about the middle: pixel (r, c) reads x at (r / s, (c - k r) / s),
    log s ~ U(-log zoom, log zoom), k ~ U(-slant, slant); it is dark outside."""
    n, _, H, W = x.shape
    s = np.exp(rng.uniform(-np.log(zoom), np.log(zoom), (n, 1, 1)))
    k = rng.uniform(-slant, slant, (n, 1, 1))
    r, c = np.meshgrid(np.arange(H) - (H - 1) / 2, np.arange(W) - (W - 1) / 2, indexing="ij")
    rows, columns = r / s + (H - 1) / 2, (c - k * r) / s + (W - 1) / 2
    top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
    wide, of = np.pad(x[:, 0], ((0, 0), (1, 1), (1, 1))), np.arange(n)[:, None, None]
    y = np.zeros((n, H, W))
    for i in (0, 1):
        for j in (0, 1):
            weight = (1 - np.abs(rows - top - i)) * (1 - np.abs(columns - left - j))
            y += weight * wide[of, np.clip(top + i + 1, 0, H + 1), np.clip(left + j + 1, 0, W + 1)]
    return y[:, None]
