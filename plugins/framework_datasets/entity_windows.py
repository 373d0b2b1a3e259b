from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from framework import Data, DataError, Field, ids_of, option
from framework_datasets._conll import Layout, sentences, text
from framework_datasets._conll_encoding import fit_vocabulary
from framework_datasets._entity_grammar import WORDS, drawn
from framework_datasets._files import sample, text_of
from framework_datasets._rows import share_out
from framework_datasets._word_windows import Tagged, pairs_of, windows_of


@dataclass(frozen=True)
class EntityWindows:
    """museums in Paris are amazing, with an entity in its centre, and a corrupt window without: Not all museums in Paris.

    Fields: x (n, width) ids, the true windows: those around every word of an entity, between five and six for each sentence
    of `dataset=entities`; corrupt (n, width) ids, a corrupt window for each. Beyond the ends of a sentence a window holds 0,
    the padding; 1 is the unknown word `<unk>`.

    `kind` is what is corrupt: window, any window of these sentences without an entity in its centre (the lecture notes), or
    word, the true window with a random other word in its centre (Collobert & Weston 2008), which may be an entity again: 31
    of the 57 words occur in names. Validation and test have these pairs; in training, a layer `corrupt` draws others.

    With `path` the sentences are those of a file, a word and its tag in each line (as `dataset=conll` reads them); they are
    split at random, and words that occur less than `min_count` times in the training sentences are unknown.
    """

    width: int = option(5, least=1, help="words in a window; an odd number")
    kind: Literal["window", "word"] = option("window", help="what is corrupt: the whole window, or the word in its centre")
    noise: float = option(0.1, least=0, most=1, help="probability that a word of the grammar becomes the unknown word")
    n: int = option(1000, least=1, help="training sentences of the grammar")
    n_val: int = option(300, least=0, help="validation sentences of the grammar")
    n_test: int = option(300, least=0, help="test sentences of the grammar")
    path: str | None = option(None, help="a file of tagged words; null: sentences of the grammar")
    min_count: int = option(2, least=1, help="rarer words of the file are unknown")
    val: float = option(0.1, least=0, below=1, help="fraction of the file's sentences for validation")
    test: float = option(0.1, least=0, below=1, help="fraction of the file's sentences for the test")

    def load(self, rng: np.random.Generator, fold: Any = None) -> Data:
        if self.width % 2 == 0:
            raise ValueError(f"width: a window has a word in its centre (got {self.width}); use an odd number")
        words, tagged = (WORDS, self._grammar(rng)) if self.path is None else self._file(self.path, rng, fold)
        if fold is not None and self.path is None:
            raise DataError("folds: the sentences of the grammar are drawn, so draw others with dataset.seed=0,1,2")
        encoding = EntityWindowsEncoding(words, self.width)
        splits, counted = {}, []
        for split, found in tagged:
            try:
                splits[split] = pairs_of(found, encoding.vocabulary, self.width, self.kind, rng)
            except DataError as error:
                raise DataError(f"{self.path or 'dataset'}: {split}: {error}") from error
            counted.append(f"{split} {len(found)} sentences, {len(splits[split]['x'])} pairs")
        field = Field("NT", "id", len(words), words)
        line = f"{self.path}: {len(words)} ids of words (min_count={self.min_count}); {'; '.join(counted)}"
        return Data(splits, {"x": field, "corrupt": field}, encoding=encoding, notes=(line,) if self.path else ())

    def _grammar(self, rng: np.random.Generator) -> Iterator[tuple[str, list[Tagged]]]:
        """split, and sentences of the grammar."""
        for split, n in {"train": self.n, "val": self.n_val, "test": self.n_test}.items():
            if n:
                yield split, [(s.words, s.tags) for s in (drawn(rng, self.noise) for _ in range(n))]

    def _file(
        self, path: str, rng: np.random.Generator, fold: Any
    ) -> tuple[tuple[str, ...], Iterable[tuple[str, list[Tagged]]]]:
        """The words of a file that are known; split, and its sentences."""
        found = [(s.words, s.tags) for s in sentences(path, Layout())]
        rows = share_out(path, len(found), rng, self.val, self.test, "sentence")
        rows = rows if fold is None else fold.divide(rows)[0]
        tagged: dict[str, list[Tagged]] = {split: [found[i] for i in at] for split, at in rows.items()}
        return fit_vocabulary([word for words, _ in tagged["train"] for word in words], self.min_count), tagged.items()

    @classmethod
    def encoding_from_json(cls, values: Mapping[str, Any]) -> EntityWindowsEncoding:
        """The encoding that was saved with a model."""
        return EntityWindowsEncoding(tuple(values["words"]), values["width"])

    @staticmethod
    def examples() -> list[tuple[EntityWindows, None]]:
        made = [(["we", "met", "Ada", "Low"], ["O", "O", "B-PER", "I-PER"]), (["Rome", "now"], ["B-LOC", "O"])] * 10
        file = EntityWindows(path=sample("tags.txt", text(made).encode()))
        return [(EntityWindows(n=20, n_val=5, n_test=0), None), (EntityWindows(3, "word", 0, 20, 5, 5), None), (file, None)]


@dataclass(frozen=True)
class EntityWindowsEncoding:
    """The words of sentences as windows of ids, one around each word."""

    words: tuple[str, ...]
    width: int

    @property
    def vocabulary(self) -> dict[str, int]:
        """word -> id."""
        return {word: i for i, word in enumerate(self.words)}

    def sentence(self, words: Sequence[str]) -> dict[str, np.ndarray]:
        """The windows of one sentence; each is its own corrupt window, as there is none."""
        x = windows_of(ids_of(words, self.vocabulary), self.width)
        return {"x": x, "corrupt": x}

    def read(self, path: str | Path, with_target: bool) -> dict[str, np.ndarray]:
        """The windows of a text with one sentence in each line.

        Raises:
            DataError: the file cannot be read or is empty, or pairs are asked for, which need tags.
        """
        if with_target:
            raise DataError(f"{path}: a text has no tags, so there are no pairs of a true and a corrupt window")
        lines = [line.split() for line in text_of(path).splitlines()]
        if not any(lines):
            raise DataError(f"{path}: no words; one sentence in each line is needed")
        parts = [self.sentence(words) for words in lines if words]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"type": "entity_windows", "words": list(self.words), "width": self.width}
