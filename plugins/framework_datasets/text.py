from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from framework import Data, DataError, Field, option
from framework_datasets._files import sample, text_of
from framework_datasets._windows import ahead, check_gaps, windows

Unit = Literal["character", "word"]
END = "<eos>"  # the word of a line end


@dataclass(frozen=True)
class Text:
    """c_1 c_2 ... c_T -> c_2 ... c_{T+1}: the characters or words of any UTF-8 text, each predicted from the previous ones.

    Fields: x (n, length) ids, y (n, length) labels, windows of the text and the same one symbol later. The first part of
    the text trains, the next validates, the last is the test. unit: character: the characters of the whole file, in the
    order of their code points, are the vocabulary; line ends become a single character. unit: word: what blanks separate;
    a line end is the word <eos>, as in the Penn Treebank, and empty lines are skipped. The words that occur at least
    `min_count` times in the training part are the vocabulary, all others are <unk>. The metric `perplexity` measures it.
    """

    path: str = option(help="the file, relative to the current folder")
    length: int = option(40, least=1, help="T, symbols in a window")
    stride: int | None = option(None, least=1, help="symbols between windows; null: length")
    val: float = option(0.1, least=0, below=1, help="fraction of the text for validation")
    test: float = option(0.1, least=0, below=1, help="fraction of the text for the test")
    stateful: bool = option(
        False, help="carry states from window to window: the text is read as `trainer.batch_size` streams"
    )
    unit: Unit = option("character", help="the symbols: characters, or words")
    min_count: int = option(2, least=1, help="of words: how often a word of the vocabulary occurs in the training part")

    def load(self, rng: np.random.Generator) -> Data:
        found = symbols(self.path, self.unit)
        encoding = TextEncoding(self._vocabulary(found), self.length, self.unit)
        ids = encoding.ids(self.path, found)
        try:
            check_gaps(self.stateful, self.length, self.stride)
            splits = ahead(ids, self.length, self.stride or self.length, self.val, self.test)
        except ValueError as error:
            raise DataError(f"{self.path}: dataset.{error}") from error
        names = list(encoding.vocabulary)
        fields = {"x": Field("NT", "id", len(names)), "y": Field("NT", "label", len(names))}
        notes = (self._words_read(found, ids),) if self.unit == "word" else ()
        more = {"encoding": encoding, "stateful": self.stateful, "forecast": ("x",), "notes": notes}
        return Data(splits, fields, names=names, **more)

    def _vocabulary(self, found: Sequence[str]) -> tuple[str, ...]:
        """The symbols of all ids.

        Raises:
            DataError: there are fewer than two.
        """
        if self.unit == "word":
            n = len(found)
            counts = Counter(found[: n - round(self.val * n) - round(self.test * n)])
            known = sorted({word for word, times in counts.items() if times >= self.min_count} - {Field.UNKNOWN})
            if len(known) < 2:
                raise DataError(
                    f"{self.path}: too few words occur {self.min_count} times in the training part (got {len(known)}); at "
                    "least two are needed, see dataset.min_count"
                )
            return (Field.UNKNOWN, *known)
        if len(known := sorted(set(found))) < 2:
            raise DataError(f"{self.path}: only one different character, {''.join(known)!r}; at least two are needed")
        return tuple(known)

    def _words_read(self, found: Sequence[str], ids: np.ndarray) -> str:
        """The note on how the words were read."""
        unknown = float((ids == 0).mean())
        return (
            f"{self.path}: {len(found)} words with the line ends, {len(set(ids.tolist()))} different; {unknown:.1%} are "
            f"{Field.UNKNOWN} (dataset.min_count={self.min_count})"
        )

    @classmethod
    def encoding_from_json(cls, values: Mapping[str, Any]) -> TextEncoding:
        """The encoding that was saved with a model."""
        return TextEncoding(tuple(values["vocabulary"]), values["length"], values.get("unit", "character"))

    @staticmethod
    def examples() -> list[tuple[Text, None]]:
        path = sample("text.txt", "\n".join(f"{i} and {i} is {2 * i}" for i in range(30)).encode())
        made = [Text(path, 8), Text(path, 8, 3, 0.2, 0), Text(path, 8, stateful=True), Text(path, 5, unit="word")]
        return [(each, None) for each in made]


@dataclass(frozen=True)
class TextEncoding:
    """The encoding of symbols as ids: their indices in the vocabulary.

    Attributes:
        length: symbols in a window of a new file; a shorter file is one window.
        unit: whether they are characters or words.
    """

    vocabulary: tuple[str, ...]
    length: int
    unit: Unit = "character"

    def ids(self, path: str | Path, found: Sequence[str]) -> np.ndarray:
        """The ids (n,) of a text's symbols; a new word is the unknown word.

        Raises:
            DataError: a character is not in the vocabulary; the message names its line.
        """
        known = {symbol: i for i, symbol in enumerate(self.vocabulary)}
        if self.unit == "word":
            return np.array([known.get(word, known[Field.UNKNOWN]) for word in found], int)
        for i, character in enumerate(found):
            if character not in known:
                line = found[:i].count("\n") + 1
                raise DataError(f"{path}: line {line}: the character {character!r} was not in the training text")
        return np.array([known[character] for character in found], int)

    def read(self, path: str | Path, with_target: bool) -> dict[str, np.ndarray]:
        """Windows of a new file, one after the other; remaining symbols at the end are dropped.

        Raises:
            DataError: the file cannot be read, is too short, or holds a new character.
        """
        ids = self.ids(path, symbols(path, self.unit))
        if ids.size <= with_target:
            raise DataError(f"{path}: a single {self.unit} is too short; at least two are needed")
        x = ids[:-1] if with_target else ids
        length = min(self.length, x.size)
        fields = {"x": windows(x, length, length)}
        return fields | {"y": windows(ids[1:], length, length)} if with_target else fields

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        vocabulary = "".join(self.vocabulary) if self.unit == "character" else list(self.vocabulary)
        return {"type": "text", "vocabulary": vocabulary, "length": self.length, "unit": self.unit}


def symbols(path: str | Path, unit: Unit) -> Sequence[str]:
    """The characters of a text, with one kind of line end, or its words with a word at each line end."""
    text = text_of(path).replace("\r\n", "\n").replace("\r", "\n")
    if unit == "character":
        return text
    return [word for line in text.split("\n") if line.split() for word in (*line.split(), END)]
