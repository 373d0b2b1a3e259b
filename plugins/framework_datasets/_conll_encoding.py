"""Encodes sentences as ids, letters and labels: fitted on the training sentences, then applied to every file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from framework import DataError, Field, did_you_mean, ids_of
from framework_datasets._conll import Layout, Sentence, rows, sentences
from framework_datasets._tag_schemes import Scheme, entities, fault, written
from framework_datasets._windows import padded

Schemes = Literal["IOB1", "IOB2", "BIOES", "none"]
OTHER_READING = "dataset.scheme=IOB1 reads any order of B and I, dataset.scheme=none reads other tags"


@dataclass(frozen=True)
class ConllEncoding:
    """The encoding of words, letters and tags.

    Attributes:
        words, letters: the vocabularies, by id; letters are empty if words have none.
        length: letters of a word; longer words lose their end.
        names: the tags, by class.
        scheme, target_scheme: of the tags in a file, and of the classes; none: other tags.
        lowercase, digits: whether words are read in lower case; whether every digit counts as 0.
        layout: the columns of a file.
    """

    words: tuple[str, ...]
    letters: tuple[str, ...]
    length: int
    names: tuple[str, ...]
    scheme: Schemes
    target_scheme: Scheme
    lowercase: bool
    digits: bool
    layout: Layout

    @property
    def fields(self) -> dict[str, Field]:
        """The declarations of the fields."""
        words, tags = Field("NT", "id", len(self.words), self.words), Field("NT", "label", len(self.names), self.names)
        fields = {"x": words, "y": tags, "mask": Field("NT", "mask")}
        if not self.length:
            return fields
        return fields | {"chars": Field("NTL", "id", len(self.letters), self.letters), "char_mask": Field("NTL", "mask")}

    def encode(self, path: str | Path, found: Sequence[Sentence], with_target: bool) -> dict[str, np.ndarray]:
        """x (n, T), mask (n, T), with letters chars (n, T, L) and char_mask (n, T, L); y (n, T) if `with_target`.

        Raises:
            DataError: a tag is not among the classes.
        """
        steps = max(len(sentence.words) for sentence in found)
        x, mask = padded([self._ids(sentence.words) for sentence in found], steps)
        fields = {"x": x, "mask": mask}
        if with_target:
            fields["y"], _ = padded([self._labels(path, sentence) for sentence in found], steps)
        return fields | (self._letters(found, steps) if self.length else {})

    def _ids(self, words: Sequence[str]) -> list[int]:
        return ids_of([plain(word, self.lowercase, self.digits) for word in words], self._known_words)

    def _labels(self, path: str | Path, sentence: Sentence) -> list[int]:
        known = {name: k for k, name in enumerate(self.names)}
        for tag, line in zip(sentence.tags, sentence.lines, strict=True):
            if tag not in known:
                hint = did_you_mean(tag, self.names)
                raise DataError(f"{path}: line {line}: the tag '{tag}' is in no training sentence{hint}")
        return [known[tag] for tag in sentence.tags]

    def _letters(self, found: Sequence[Sentence], steps: int) -> dict[str, np.ndarray]:
        known, unknown, length = {letter: i for i, letter in enumerate(self.letters)}, 1, self.length
        words = dict.fromkeys(word for sentence in found for word in sentence.words)
        ids = [[known.get(letter, unknown) for letter in plain(word, False, self.digits)[:length]] for word in words]
        table = np.concatenate([np.zeros((1, 2, length), np.int32), np.stack(padded(ids, length), 1).astype(np.int32)])
        places = {word: 1 + i for i, word in enumerate(words)}
        at, _ = padded([[places[word] for word in sentence.words] for sentence in found], steps)
        return {"chars": table[at, 0], "char_mask": table[at, 1].astype(np.uint8)}

    @cached_property
    def _known_words(self) -> dict[str, int]:
        return {word: i for i, word in enumerate(self.words)}

    def read(self, path: str | Path, with_target: bool) -> dict[str, np.ndarray]:
        """The sentences of a new file, in its order; without targets a column of words is enough.

        Raises:
            DataError: the file cannot be read, a tag breaks the scheme, or is new.
        """
        found = sentences(path, self.layout, with_target)
        if with_target:
            found = converted(path, found, self.scheme, self.target_scheme)
        return self.encode(path, found, with_target)

    def sentence(self, words: Sequence[str]) -> dict[str, np.ndarray]:
        """The fields of one sentence, without its tags."""
        return self.encode("", [Sentence(tuple(words), (), ())], False)

    def notes(self, path: str | Path, with_target: bool) -> tuple[str, ...]:
        """A line on a file that `read` reads."""
        found = sentences(path, self.layout, False)
        n = sum(len(sentence.words) for sentence in found)
        unknown = self.unknown(found)
        return (f"{len(found)} sentences, {n} words, {unknown} of them unknown ({unknown / n:.1%})",)

    def unknown(self, found: Sequence[Sentence]) -> int:
        """The number of words that are not in the vocabulary."""
        return sum(i == self._known_words[Field.UNKNOWN] for sentence in found for i in self._ids(sentence.words))

    def labelled(self, path: str | Path, labels: np.ndarray) -> str:
        """A file's text, without comments, with a predicted tag as its last column.

        Args:
            labels: the classes (n, T) of its sentences.
        """
        lines, n, t = [], 0, 0
        for row in rows(path, self.layout.comment):
            if row.cells:
                sign = "\t" if "\t" in row.text else " "
                lines.append(f"{row.text}{sign}{self.names[labels[n, t]]}")
                t += 1
            else:
                n, t = n + (t > 0), 0
                lines.append(row.text)
        return "\n".join([*lines, ""] if lines[-1] else lines)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"type": "conll", **asdict(self)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ConllEncoding:
        """The encoding that `to_json` returned."""
        more = {name: value for name, value in values.items() if name not in ("type", "layout")}
        lists = {name: tuple(more[name]) for name in ("words", "letters", "names")}
        return cls(**{**more, **lists}, layout=Layout(**values["layout"]))


def plain(word: str, lowercase: bool, digits: bool) -> str:
    """A word as it is looked up."""
    word = word.lower() if lowercase else word
    return "".join("0" if c.isdigit() else c for c in word) if digits else word


def fit_vocabulary(found: Sequence[str], min_count: int, known: Collection[str] = ()) -> tuple[str, ...]:
    """The symbols that occur at least `min_count` times, and those of `known`, in alphabetical order, after padding and
    unknown."""
    counts = Counter(found)
    return (Field.PADDING, Field.UNKNOWN, *sorted({symbol for symbol, n in counts.items() if n >= min_count}.union(known)))


def converted(path: str | Path, found: Sequence[Sentence], scheme: Schemes, target: Scheme) -> list[Sentence]:
    """Sentences with their tags in another scheme.

    Raises:
        DataError: a tag breaks the scheme of the file; the message names its line.
    """
    if scheme == "none":
        return list(found)
    out = []
    for sentence in found:
        if wrong := fault(sentence.tags, scheme):
            at, why = wrong
            raise DataError(f"{path}: line {sentence.lines[at]}: {why}; {OTHER_READING}")
        tags = written(entities(sentence.tags), len(sentence.tags), target)
        out.append(sentence._replace(tags=tuple(tags)))
    return out
