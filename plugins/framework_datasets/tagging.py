from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from framework import Data, Field, option
from framework_datasets._windows import padded

TAGS = ("determiner", "adjective", "noun", "pronoun", "verb", "adverb")
BOTH = ("walk", "play", "dance", "drink")  # nouns after a determiner, verbs elsewhere
HER = "her"  # a determiner before a noun, a pronoun elsewhere
KINDS = {
    "determiner": ("the", "a", "my", HER),
    "adjective": ("old", "good", "small"),
    "noun": ("dog", "child", *BOTH),
    "subject": ("we", "you", "they"),
    "object": ("us", "them", HER),
    "verb": ("see", "like", *BOTH),
    "adverb": ("now", "often"),
}
PADDING = "."
LONGEST = 3 + 1 + 3 + 1  # T: subject, verb, object, adverb
WORDS = tuple(dict.fromkeys((PADDING, *(word for words in KINDS.values() for word in words))))


@dataclass(frozen=True)
class Tagging:
    """we like her old walk -> pronoun verb determiner adjective noun: the part of speech of every word in a sentence.

    Fields: x (n, T) ids, words from a vocabulary of 23, 0 after the end of shorter sentences; y (n, T) labels, 6 tags; mask
    (n, T), 1 where a word is. A sentence is: subject, verb, perhaps an object, perhaps an adverb; subject and object are a
    pronoun, or a determiner, perhaps an adjective, and a noun.

    Four words are nouns or verbs: the word before them decides (the walk, we walk). `her` in the object is a determiner or a
    pronoun: the word after it decides (we see her dog, we see her now). A network that only reads forwards has to
    guess.
    """

    n: int = option(1000, least=1, help="training sentences")
    n_val: int = option(300, least=0, help="validation sentences")
    n_test: int = option(300, least=0, help="test sentences")

    def load(self, rng: np.random.Generator) -> Data:
        sizes = {"train": self.n, "val": self.n_val, "test": self.n_test}
        splits = {split: self._drawn(n, rng) for split, n in sizes.items() if n}
        fields = {
            "x": Field("NT", "id", len(WORDS), WORDS),
            "y": Field("NT", "label", len(TAGS)),
            "mask": Field("NT", "mask"),
        }
        return Data(splits, fields, names=TAGS)

    def _drawn(self, n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        sentences = [self._sentence(rng) for _ in range(n)]
        x, mask = padded([[WORDS.index(word) for word, _ in sentence] for sentence in sentences], LONGEST)
        y, _ = padded([[TAGS.index(tag) for _, tag in sentence] for sentence in sentences], LONGEST)
        return {"x": x, "y": y, "mask": mask}

    def _sentence(self, rng: np.random.Generator) -> list[tuple[str, str]]:
        """The words of a sentence, each with its tag."""
        kinds = [*_phrase("subject", rng), "verb"]
        kinds += _phrase("object", rng) if rng.integers(3) else []
        kinds += ["adverb"] if rng.integers(2) else []
        words = [KINDS[kind][rng.integers(len(KINDS[kind]))] for kind in kinds]
        return [(word, kind if kind in TAGS else "pronoun") for word, kind in zip(words, kinds, strict=True)]


def _phrase(pronoun: str, rng: np.random.Generator) -> list[str]:
    """A pronoun, or a noun with determiner and adjective."""
    return ([pronoun], ["determiner", "noun"], ["determiner", "adjective", "noun"])[rng.integers(3)]
