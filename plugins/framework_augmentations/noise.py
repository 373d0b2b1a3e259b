from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from framework import option


@dataclass(frozen=True)
class Noise:
    """y = x + sigma e, e ~ N(0, 1) for every value.

    Shapes: x, y, e alike: images (N, C, H, W), features (N, F), sequences (T, N, F), or plain values. For a linear network
    with one output and squared error this is, on average, an l2 penalty of strength sigma^2 (Bishop 1995). sigma is in the
    units that the network reads, those of the scaled values under `dataset.scale`.

    Default: 0.1, a tenth of the range of pixels or of a standardised feature's deviation.
    """

    axes: ClassVar[tuple[str, ...]] = ("N", "NF", "NCHW", "NT", "NTF")
    sigma: float = option(0.1, least=0, stackable=True, help="standard deviation")

    def __call__(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        e = rng.standard_normal(x.shape, np.float32)  # 24 bits in every dtype: float32 and float64 see the same draws
        return x + x.dtype.type(self.sigma) * e.astype(x.dtype, copy=False)
