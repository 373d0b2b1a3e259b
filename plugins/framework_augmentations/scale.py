from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from framework import option
from framework_augmentations._resampling import Fill, resample


@dataclass(frozen=True)
class Scale:
    """y(o) = x(m + (o - m) / s): content s times as large about the middle m, in the same frame; log s ~ U(-log f, log f).

    Shapes: x, y (N, C, H, W), s (N,) drawn for each example, f = factor. direction=in draws s from 1 to f (what leaves
    the frame is cut off), out from 1 / f to 1 (what enters is filled). Drawn by its logarithm, so that twice as large
    and half as large are equally likely. Bilinear between pixels.

    Default: 1.2, up to a fifth larger or a sixth smaller.
    """

    axes: ClassVar[tuple[str, ...]] = ("NCHW",)
    factor: float = option(1.2, least=1, stackable=True, help="largest magnification, and 1 / factor the smallest")
    direction: Literal["both", "in", "out"] = option("both", help="larger, smaller, or either")
    fill: Fill = option(0.0, help="values from outside the frame: a number, or edge, the nearest pixel")

    def __call__(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        least, most = {"both": (-1, 1), "in": (0, 1), "out": (-1, 0)}[self.direction]
        s = self.factor ** rng.uniform(least, most, x.shape[0])
        return resample(x, np.eye(2) / s[:, None, None], fill=self.fill)
