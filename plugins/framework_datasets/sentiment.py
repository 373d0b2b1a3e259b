from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from framework import Data, Field, option
from framework_datasets._windows import padded

SUBJECTS = ("the film", "the book", "this song", "our meal", "the play", "that walk")
VERBS = ("was", "is", "seemed")
NEGATIONS = ("not", "never")
ADVERBS = ("really", "very", "quite", "truly")
GOOD = ("good", "lovely", "funny", "bright", "warm")
BAD = ("bad", "dull", "sad", "slow", "cold")
ENDS = ("", "to me", "this time", "as we all said")
PADDING = "."
WORDS = tuple(dict.fromkeys(" ".join((PADDING, *SUBJECTS, *VERBS, *NEGATIONS, *ADVERBS, *GOOD, *BAD, *ENDS)).split()))


@dataclass(frozen=True)
class Sentiment:
    """the film was not really good to me -> negative: sentences of a small grammar, positive or negative, which a `not` or
    `never` before the adjective reverses.

    Fields: x (n, T) ids, words from a vocabulary of 37, 0 after the end of shorter sentences; y (n,) negative 0, positive 1;
    mask (n, T), 1 where a word is. A sentence is: subject, verb, perhaps a negation, up to `adverbs` adverbs, adjective,
    perhaps an end. With every second sentence negated, no sum over the words can separate praise and blame.
    """

    negated: float = option(0.5, least=0, most=1, help="probability of a negation")
    adverbs: int = option(2, least=0, help="maximum number of adverbs")
    n: int = option(1000, least=1, help="training sentences")
    n_val: int = option(300, least=0, help="validation sentences")
    n_test: int = option(300, least=0, help="test sentences")

    def load(self, rng: np.random.Generator) -> Data:
        sizes = {"train": self.n, "val": self.n_val, "test": self.n_test}
        splits = {split: self._drawn(n, rng) for split, n in sizes.items() if n}
        fields = {"x": Field("NT", "id", len(WORDS), WORDS), "y": Field("N", "label", 2), "mask": Field("NT", "mask")}
        return Data(splits, fields, names=("negative", "positive"))

    def _drawn(self, n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        pairs = [self._sentence(rng) for _ in range(n)]
        longest = 2 + 1 + 1 + self.adverbs + 1 + max(len(end.split()) for end in ENDS)
        x, mask = padded([[WORDS.index(word) for word in words] for words, _ in pairs], longest)
        return {"x": x, "y": np.array([positive for _, positive in pairs], int), "mask": mask}

    def _sentence(self, rng: np.random.Generator) -> tuple[list[str], bool]:
        """The words, and whether they are positive."""

        def one(words: tuple[str, ...]) -> str:
            return words[rng.integers(len(words))]

        good, negated = bool(rng.integers(2)), bool(rng.uniform() < self.negated)
        adverbs = [one(ADVERBS) for _ in range(rng.integers(self.adverbs + 1))]
        negation = one(NEGATIONS) if negated else ""
        parts = (one(SUBJECTS), one(VERBS), negation, *adverbs, one(GOOD if good else BAD), one(ENDS))
        return " ".join(parts).split(), good != negated
