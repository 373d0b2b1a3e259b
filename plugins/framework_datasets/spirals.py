from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from framework import Data, Field, option, split_at_random


@dataclass(frozen=True)
class Spirals:
    """Interleaved spirals, one per class: x = r (cos a, sin a) + noise, r from 0 to 1, a = 2 pi (turns r + k / classes).

    Fields: x (n classes, 2), y (n classes,) the class k (after Lang & Witbrock 1988, who have two classes).
    """

    n: int = option(200, least=1, help="points per class, over all splits")
    classes: int = option(2, least=2, help="spirals")
    turns: float = option(1.5, above=0, help="revolutions from the centre to the rim")
    noise: float = option(0.02, least=0, help="standard deviation of the noise on both coordinates")
    val: float = option(0.2, least=0, below=1, help="fraction for validation")
    test: float = option(0.2, least=0, below=1, help="fraction for the test")

    def load(self, rng: np.random.Generator) -> Data:
        y = np.repeat(np.arange(self.classes), self.n)
        r = np.sqrt(rng.uniform(0, 1, y.size))  # the root spreads the points evenly over the disc
        a = 2 * np.pi * (self.turns * r + y / self.classes)
        x = np.stack([r * np.cos(a), r * np.sin(a)], 1) + self.noise * rng.standard_normal((y.size, 2))
        splits = split_at_random({"x": x, "y": y}, rng, self.val, self.test)
        return Data(splits, {"x": Field("NF"), "y": Field("N", "label", self.classes)})
