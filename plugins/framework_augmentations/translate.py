from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from framework import option
from framework_augmentations._resampling import Fill, shift


@dataclass(frozen=True)
class Translate:
    """y[n, c, i, j] = x[n, c, i - v, j - u], the fill where that lies outside: moved by whole pixels, without blurring.

    Shapes: x, y (N, C, H, W); u and v (N,) are drawn for each example, every integer from -pixels to pixels equally
    likely. axis=x moves to the sides only (v = 0), y up and down only (u = 0).

    Default: 2 pixels, the shift by which the notes show that a fully connected network is not shift invariant.
    """

    axes: ClassVar[tuple[str, ...]] = ("NCHW",)
    pixels: int = option(2, least=0, stackable=True, help="maximum shift, in pixels")
    axis: Literal["both", "x", "y"] = option("both", help="to the sides, up and down, or both")
    fill: Fill = option(0.0, help="values from outside the frame: a number, or edge, the nearest pixel")

    def __call__(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        down, right = rng.integers(-self.pixels, self.pixels + 1, (2, x.shape[0]))
        return shift(x, down * (self.axis != "x"), right * (self.axis != "y"), self.fill)
