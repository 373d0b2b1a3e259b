from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from framework import Data, DataError, Field, option
from framework_datasets._files import sample, text_of
from framework_datasets._windows import ahead, check_gaps, windows


@dataclass(frozen=True)
class Text:
    """c_1 c_2 ... c_T -> c_2 ... c_{T+1}: the characters of any UTF-8 text, each predicted from the previous ones.

    Fields: x (n, length) ids, y (n, length) labels, windows of the text and the same one character later. The characters of
    the whole file, in the order of their code points, are the vocabulary; line ends become a single character. The first
    part of the text trains, the next validates, the last is the test.
    """

    path: str = option(help="the file, relative to the current folder")
    length: int = option(40, least=1, help="T, characters in a window")
    stride: int | None = option(None, least=1, help="characters between windows; null: length")
    val: float = option(0.1, least=0, below=1, help="fraction of the text for validation")
    test: float = option(0.1, least=0, below=1, help="fraction of the text for the test")
    stateful: bool = option(
        False, help="carry states from window to window: the text is read as `trainer.batch_size` streams"
    )

    def load(self, rng: np.random.Generator) -> Data:
        text = characters(self.path)
        vocabulary = "".join(sorted(set(text)))
        if len(vocabulary) < 2:
            raise DataError(f"{self.path}: only one different character, {vocabulary!r}; at least two are needed")
        encoding = TextEncoding(vocabulary, self.length)
        try:
            check_gaps(self.stateful, self.length, self.stride)
            splits = ahead(encoding.ids(self.path, text), self.length, self.stride or self.length, self.val, self.test)
        except ValueError as error:
            raise DataError(f"{self.path}: dataset.{error}") from error
        size = len(vocabulary)
        fields = {"x": Field("NT", "id", size), "y": Field("NT", "label", size)}
        return Data(splits, fields, names=list(vocabulary), encoding=encoding, stateful=self.stateful, forecast=("x",))

    @classmethod
    def encoding_from_json(cls, values: Mapping[str, Any]) -> TextEncoding:
        """The encoding that was saved with a model."""
        return TextEncoding(values["vocabulary"], values["length"])

    @staticmethod
    def examples() -> list[tuple[Text, None]]:
        path = sample("text.txt", "\n".join(f"{i} and {i} is {2 * i}" for i in range(30)).encode())
        return [(Text(path, 8), None), (Text(path, 8, 3, 0.2, 0), None), (Text(path, 8, stateful=True), None)]


@dataclass(frozen=True)
class TextEncoding:
    """The encoding of characters as ids: their indices in the vocabulary.

    Attributes:
        length: characters in a window of a new file; a shorter file is one window.
    """

    vocabulary: str
    length: int

    def ids(self, path: str | Path, text: str) -> np.ndarray:
        """The ids (n,) of a text.

        Raises:
            DataError: a character is not in the vocabulary; the message names its line.
        """
        known = {character: i for i, character in enumerate(self.vocabulary)}
        for i, character in enumerate(text):
            if character not in known:
                line = text.count("\n", 0, i) + 1
                raise DataError(f"{path}: line {line}: the character {character!r} was not in the training text")
        return np.array([known[character] for character in text], int)

    def read(self, path: str | Path, with_target: bool) -> dict[str, np.ndarray]:
        """Windows of a new file, one after the other; remaining characters at the end are dropped.

        Raises:
            DataError: the file cannot be read, is too short, or holds a new character.
        """
        ids = self.ids(path, characters(path))
        if ids.size <= with_target:
            raise DataError(f"{path}: a single character is too short; at least two are needed")
        x = ids[:-1] if with_target else ids
        length = min(self.length, x.size)
        fields = {"x": windows(x, length, length)}
        return fields | {"y": windows(ids[1:], length, length)} if with_target else fields

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"type": "text", "vocabulary": self.vocabulary, "length": self.length}


def characters(path: str | Path) -> str:
    """A text with one kind of line end."""
    return text_of(path).replace("\r\n", "\n").replace("\r", "\n")
