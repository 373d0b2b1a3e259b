from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from framework import Data, DataError, Field, option
from framework_datasets._columns import label
from framework_datasets._conll_encoding import fit_vocabulary, plain
from framework_datasets._files import sample
from framework_datasets._rows import keep_rare, moved_line, share_out
from framework_datasets._sentence_encoding import SentenceEncoding
from framework_datasets._table import Format, Header, Table, read_table
from framework_datasets._table_words import listed


@dataclass(frozen=True)
class Sentences:
    """the film was not good -> negative: your own sentences, one class for each.

    The file is a UTF-8 table with a column of sentences and a column of labels, such as a table of reviews. Words are
    separated by blanks.

    Fields: x (n, T) ids of words, 0 after the end of shorter sentences, 1 the unknown word; y (n,) the class, an index into
    the sorted labels; mask (n, T), 1 where a word is. A word that occurs less than `min_count` times in the training
    sentences is unknown, in training too, so that the vector of unknown words is trained. Sentences are split at random by
    `dataset.seed`. If no training sentence has a label, one with it moves to the training split.
    """

    path: str = option(help="the file, relative to the current folder")
    text: str = option("text", help="the column of the sentences")
    label: str = option("label", help="the column of the labels")
    delimiter: str = option(",", help="delimiter of fields: a character, comma, semicolon, tab, bar; auto detects it")
    header: Header = option(True, help="whether the first line names the columns; false: c0, c1, ...; or a list of names")
    min_count: int = option(2, least=1, help="rarer words are unknown")
    lowercase: bool = option(True, help="whether words are read in lower case")
    longest: int | None = option(None, least=1, help="T, words that are read of a sentence; null: all")
    val: float = option(0.2, least=0, below=1, help="fraction for validation")
    test: float = option(0.2, least=0, below=1, help="fraction for the test")

    def load(self, rng: np.random.Generator, fold: Any = None) -> Data:
        how = Format.of(self.delimiter, "point", self.header)
        table = read_table(self.path, how)
        for role, name in (("text", self.text), ("label", self.label)):
            table.require(name, f"dataset.{role}")
        if self.text == self.label:
            raise DataError(f"{self.path}: column '{self.text}' is dataset.text and dataset.label; choose another")
        parts = share_out(self.path, len(table), rng, self.val, self.test, "sentence")
        labels = np.array([label(word) for word in table.columns[self.label]])
        rows = {}
        if fold is not None:  # before the vocabulary, which is that of the training sentences
            parts, own = fold.divide(parts, np.unique(labels, return_inverse=True)[1])
            rows = {"val": np.where(own, parts["val"], -1)}
        parts, moved = (parts, {}) if rows else keep_rare(parts, [labels])
        classes = tuple(str(name) for name in np.unique(labels))
        if len(classes) < 2:
            raise DataError(f"{self.path}: every label is '{classes[0]}'; a classifier needs at least two")
        read = [word for row in parts["train"] for word in self._read(table.columns[self.text][row])]
        words = [plain(word, self.lowercase, False) for word in read]
        encoding = SentenceEncoding(
            fit_vocabulary(words, self.min_count), classes, self.text, self.label, how, self.lowercase, self.longest
        )
        whole = encoding.encode(table, True)
        splits = {split: {name: a[rows] for name, a in whole.items()} for split, rows in parts.items()}
        lines = (self._note(table, encoding, words), *moved_line(moved, "label", "sentence"))
        return Data(splits, encoding.fields, names=classes, encoding=encoding, notes=lines, rows=rows)

    def _read(self, text: str) -> list[str]:
        """The words of a sentence that are read."""
        return text.split()[: self.longest]

    def _note(self, table: Table, encoding: SentenceEncoding, words: Sequence[str]) -> str:
        """How the file was read."""
        unknown = encoding.ids(words).count(encoding.words.index(Field.UNKNOWN)) / max(len(words), 1)
        longest = max(len(self._read(text)) for text in table.columns[self.text])
        return (
            f"{self.path}: {len(table)} sentences in column '{self.text}', at most {longest} words; "
            f"{len(encoding.words)} ids of words (min_count={self.min_count}), {unknown:.1%} of the training words unknown; "
            f"column '{self.label}': {len(encoding.classes)} classes ({listed(encoding.classes)})"
        )

    @classmethod
    def encoding_from_json(cls, values: Mapping[str, Any]) -> SentenceEncoding:
        """The encoding that was saved with a model."""
        return SentenceEncoding.from_json(values)

    @staticmethod
    def examples() -> list[tuple[Sentences, None]]:
        rows = "".join(f"it was {('bad', 'good')[i % 2]} {i},{('no', 'yes')[i % 2]}\n" for i in range(30))
        path, bare = sample("reviews.csv", f"text,label\n{rows}".encode()), sample("bare.csv", rows.encode())
        return [(Sentences(path), None), (Sentences(bare, "c0", "c1", header=False, min_count=1, longest=3), None)]
