from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from framework import Data, Field, option


@dataclass(frozen=True)
class Copy:
    """s_1 ... s_S, blanks, a cue, blanks -> blanks ... s_1 ... s_S: symbols must be repeated in order, `delay`
    steps after the last of them.

    Fields: x (n, T) ids, y (n, T) labels, T = 2 S + delay; symbols 0 ... K-1, blank K, cue K + 1, which is the last of the
    `delay` steps. A network that knows when to answer but not what has a cross-entropy of S log K / T, and an accuracy that
    blanks make look good: exact_match counts whole sequences. Hochreiter & Schmidhuber (1997); Arjovsky, Shah & Bengio
    (2016).
    """

    symbols: int = option(4, least=2, help="K, number of symbols")
    length: int = option(3, least=1, help="S, symbols to remember")
    delay: int = option(10, least=1, help="steps from the last symbol to the first target")
    n: int = option(2000, least=1, help="training sequences")
    n_val: int = option(500, least=0, help="validation sequences")
    n_test: int = option(500, least=0, help="test sequences")

    def load(self, rng: np.random.Generator) -> Data:
        sizes = {"train": self.n, "val": self.n_val, "test": self.n_test}
        splits = {split: self._drawn(rng.integers(0, self.symbols, (n, self.length))) for split, n in sizes.items() if n}
        fields = {"x": Field("NT", "id", self.symbols + 2), "y": Field("NT", "label", self.symbols + 1)}
        return Data(splits, fields)

    def _drawn(self, said: np.ndarray) -> dict[str, np.ndarray]:
        x = np.full((said.shape[0], 2 * self.length + self.delay), self.symbols)
        y = x.copy()
        x[:, : self.length] = y[:, -self.length :] = said
        x[:, self.length + self.delay - 1] = self.symbols + 1
        return {"x": x, "y": y}
