from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from framework import Data, Field, option


@dataclass(frozen=True)
class Hello:
    """h, e, l, l -> e, l, l, o: one word, each letter predicted from the previous ones. After the first l comes l, after the
    second o: a network without a state cannot know.

    Fields: x (1, T) ids, y (1, T) labels, T = 4; letters are numbered in the order in which they first occur in the word,
    h = 0, e = 1, l = 2, o = 3. The one example trains; with `val`, it validates as well.
    """

    word: str = option("hello", help="the word, with at least two letters")
    val: bool = option(True, help="validate on the same word")

    def load(self, rng: np.random.Generator) -> Data:
        letters = list(dict.fromkeys(self.word))
        if len(letters) < 2:
            raise ValueError(f"word: '{self.word}' needs two different letters")
        ids = np.array([[letters.index(letter) for letter in self.word]])
        example = {"x": ids[:, :-1], "y": ids[:, 1:]}
        splits = {"train": example, "val": example} if self.val else {"train": example}
        size = len(letters)
        return Data(splits, {"x": Field("NT", "id", size), "y": Field("NT", "label", size)}, names=letters, forecast=("x",))
