from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from framework import Data, Field, option
from framework_datasets._windows import delayed, padded

SHAPES = {
    "cross": ("010", "111", "010"),
    "ring": ("111", "101", "111"),
    "bar": ("010", "010", "010"),
    "dot": ("000", "010", "000"),
}
PLACES = {"above": 0, "below": 5}
SIDES = {"left": 0, "right": 5}
END = "."
WORDS = (END, "faint", *SHAPES, *PLACES, *SIDES)


@dataclass(frozen=True)
class Captions:
    """A picture -> "faint ring above left .": one input, a sequence of words out: a toy example of captioning.

    Fields: x (n, 1, 8, 8) pictures, one of four shapes in one of the four corners, at full or at half strength, and noise.
    d (n, T) ids for the decoder: a start symbol, then the words one step late (teacher forcing). y (n, T) labels, the
    words, of a vocabulary of 10; mask (n, T), 1 up to the end. T = 5; a shape at full strength is not called faint, and
    its caption is a word shorter. After Vinyals et al. (2015), where the picture goes into the decoder's state first.
    """

    sigma: float = option(0.1, least=0, help="standard deviation of the noise on each pixel")
    n: int = option(1000, least=1, help="training pictures")
    n_val: int = option(300, least=0, help="validation pictures")
    n_test: int = option(300, least=0, help="test pictures")

    def load(self, rng: np.random.Generator) -> Data:
        sizes = {"train": self.n, "val": self.n_val, "test": self.n_test}
        splits = {split: self._drawn(n, rng) for split, n in sizes.items() if n}
        fields = {"x": Field("NCHW"), "d": Field("NT", "id", len(WORDS) + 1)}
        fields |= {"y": Field("NT", "label", len(WORDS)), "mask": Field("NT", "mask")}
        return Data(splits, fields, names=WORDS, forecast=("d",))

    def _drawn(self, n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        x, said = self.sigma * rng.standard_normal((n, 1, 8, 8)), []
        for picture in x:
            shape, place, side = (list(names)[rng.integers(len(names))] for names in (SHAPES, PLACES, SIDES))
            faint = bool(rng.integers(2))
            row, column = PLACES[place], SIDES[side]
            pixels = np.array([[int(pixel) for pixel in line] for line in SHAPES[shape]])
            picture[0, row : row + 3, column : column + 3] += pixels * (0.5 if faint else 1)
            said.append([WORDS.index(word) for word in (*["faint"][: int(faint)], shape, place, side, END)])
        y, mask = padded(said, 5)
        return {"x": x, "d": delayed(y, len(WORDS)), "y": y, "mask": mask}
