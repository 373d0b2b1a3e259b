from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from framework import Data, Field, option
from framework_datasets._windows import delayed, padded


@dataclass(frozen=True)
class Reverse:
    """s_1 ... s_L -> s_L ... s_1, for sequences of many lengths L: a small translation task for an encoder and a decoder.

    Fields: x (n, T) ids, the source; d (n, T) ids for the decoder: a start symbol K, then the target one step late (teacher
    forcing). y (n, T) labels, the target; mask (n, T), 1 up to L. Symbols are 0 ... K-1; T is `longest`, and
    shorter sequences end in zeros under a mask of 0. After Sutskever, Vinyals & Le (2014).
    """

    symbols: int = option(6, least=2, help="K, number of symbols")
    shortest: int = option(2, least=1, help="minimum L")
    longest: int = option(5, least=1, help="maximum L, and T")
    n: int = option(4000, least=1, help="training sequences")
    n_val: int = option(500, least=0, help="validation sequences")
    n_test: int = option(500, least=0, help="test sequences")

    def load(self, rng: np.random.Generator) -> Data:
        if self.shortest > self.longest:
            raise ValueError(f"shortest: larger than longest (got {self.shortest} and {self.longest})")
        sizes = {"train": self.n, "val": self.n_val, "test": self.n_test}
        splits = {split: self._drawn(n, rng) for split, n in sizes.items() if n}
        fields = {"x": Field("NT", "id", self.symbols), "d": Field("NT", "id", self.symbols + 1)}
        fields |= {"y": Field("NT", "label", self.symbols), "mask": Field("NT", "mask")}
        return Data(splits, fields, forecast=("d",))

    def _drawn(self, n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        lengths = rng.integers(self.shortest, self.longest + 1, n)
        said = [rng.integers(0, self.symbols, length).tolist() for length in lengths]
        x, mask = padded(said, self.longest)
        y, _ = padded([one[::-1] for one in said], self.longest)
        return {"x": x, "d": delayed(y, self.symbols), "y": y, "mask": mask}
