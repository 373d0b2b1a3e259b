"""Encodes a column of sentences as ids of words, and a column of labels as classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from framework import Field, ids_of
from framework_datasets._columns import class_indices
from framework_datasets._conll_encoding import plain
from framework_datasets._table import Format, Table, read_table
from framework_datasets._table_encoding import NEW
from framework_datasets._windows import padded


@dataclass(frozen=True)
class SentenceEncoding:
    """The encoding of sentences and labels.

    Attributes:
        words: the vocabulary, by id.
        classes: the labels, by class.
        text, label: the columns.
        format: the format of a new file.
        lowercase: whether words are read in lower case.
        longest: words that are read of a sentence; None: all.
    """

    words: tuple[str, ...]
    classes: tuple[str, ...]
    text: str
    label: str
    format: Format
    lowercase: bool
    longest: int | None

    @property
    def fields(self) -> dict[str, Field]:
        """The declarations of the fields."""
        x = Field("NT", "id", len(self.words), self.words)
        return {"x": x, "y": Field("N", "label", len(self.classes), self.classes), "mask": Field("NT", "mask")}

    def encode(self, table: Table, with_target: bool) -> dict[str, np.ndarray]:
        """x (n, T), mask (n, T), and y (n,) if `with_target`.

        Raises:
            DataError: a cell is empty, or a label is not among the classes.
        """
        for name in (self.text, self.label) if with_target else (self.text,):
            if "" in table.columns[name]:
                raise table.fault(table.columns[name].index(""), name, "the cell is empty; fill it in, or leave out the row")
        fields = self._fields([text.split() for text in table.columns[self.text]])
        return fields | {"y": class_indices(table, self.label, self.classes, NEW)} if with_target else fields

    def _fields(self, sentences: Sequence[Sequence[str]]) -> dict[str, np.ndarray]:
        ids = [self.ids(words[: self.longest]) for words in sentences]
        x, mask = padded(ids, max(map(len, ids)))
        return {"x": x, "mask": mask}

    def ids(self, words: Sequence[str]) -> list[int]:
        """The ids of words."""
        return ids_of([plain(word, self.lowercase, False) for word in words], self._known)

    @cached_property
    def _known(self) -> dict[str, int]:
        return {word: i for i, word in enumerate(self.words)}

    def read(self, path: str | Path, with_target: bool) -> dict[str, np.ndarray]:
        """The sentences of a new file, in its order.

        Raises:
            DataError: a column is missing, a label is new, or the file has another error.
        """
        table = read_table(path, self.format)
        table.require(self.text, "the sentences")
        if with_target:
            table.require(self.label, "the labels")
        return self.encode(table, with_target)

    def sentence(self, words: Sequence[str]) -> dict[str, np.ndarray]:
        """The fields of one sentence."""
        return self._fields([words])

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        values = {key: value for key, value in asdict(self).items() if key != "format"}
        return {"type": "sentences", **values, "format": self.format.to_json()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> SentenceEncoding:
        """The encoding that `to_json` returned."""
        more = {name: values[name] for name in ("text", "label", "lowercase", "longest")}
        return cls(tuple(values["words"]), tuple(values["classes"]), format=Format.from_json(values["format"]), **more)
