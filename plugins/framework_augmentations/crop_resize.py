from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from framework import option
from framework_augmentations._resampling import resample


@dataclass(frozen=True)
class CropResize:
    """y = a random part of x, s H x s W pixels, resized back to H x W: y(o) = x(m + t + s (o - m)).

    Shapes: x, y (N, C, H, W); s ~ U(smallest, 1) and the part's position t ~ U(-(1 - s) / 2, (1 - s) / 2) (H, W) are drawn
        for
    each example. Nothing outside the frame is used: at the border the nearest pixel is taken. Bilinear between pixels.

    Default: 0.8. Inception's crops (Szegedy et al. 2015) start at 8 % of the area, a side of 0.28, for photographs whose
    object fills the frame many times over.
    """

    axes: ClassVar[tuple[str, ...]] = ("NCHW",)
    smallest: float = option(0.8, above=0, most=1, stackable=True, help="smallest side of the part, in sides of the frame")

    def __call__(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        s = 1 - (1 - self.smallest) * rng.uniform(0, 1, x.shape[0])
        t = (1 - s)[:, None] * rng.uniform(-0.5, 0.5, (x.shape[0], 2)) * x.shape[-2:]
        return resample(x, np.eye(2) * s[:, None, None], t, fill="edge")
