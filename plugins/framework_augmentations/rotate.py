from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from framework import option
from framework_augmentations._resampling import Fill, resample, rotation


@dataclass(frozen=True)
class Rotate:
    """y(o) = x(m + s R(a) (o - m)): turned anticlockwise by a ~ U(centre - degrees, centre + degrees) about the middle m.

    Shapes: x, y (N, C, H, W), a (N,) drawn for each example. frame=keep: s = 1, and corners that leave the frame are cut
    off. frame=expand: the turned image needs a frame of H' = H |cos a| + W |sin a| rows and W' = H |sin a| + W |cos a|
    columns. A network reads one size, so that larger frame is scaled back to H x W by s = max(H' / H, W' / W). The content
    shrinks, and nothing is cut off. Bilinear between pixels; quarter turns of a square are exact.

    Default: 15 degrees, with which a 6 and a 9 stay different.
    """

    axes: ClassVar[tuple[str, ...]] = ("NCHW",)
    degrees: float = option(15.0, least=0, most=180, stackable=True, help="maximum rotation from the centre, in degrees")
    centre: float = option(0.0, least=-180, most=180, stackable=True, help="rotation in the middle of the range, in degrees")
    frame: Literal["keep", "expand"] = option("keep", help="cut the corners off, or shrink until they fit")
    fill: Fill = option(0.0, help="values from outside the frame: a number, or edge, the nearest pixel")

    def __call__(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        turn = rotation(self.centre + rng.uniform(-1, 1, x.shape[0]) * self.degrees)
        return resample(x, turn * self._shrinking(turn, *x.shape[-2:]), fill=self.fill)

    def _shrinking(self, turn: np.ndarray, height: int, width: int) -> np.ndarray:
        """s (N, 1, 1)."""
        if self.frame == "keep":
            return np.ones((turn.shape[0], 1, 1))
        extent = np.abs(turn) @ np.array([height, width])
        return (extent / [height, width]).max(-1)[:, None, None]
