from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from framework import Data, DataError, option
from framework_datasets._conll import Layout, Sentence, sentences, text
from framework_datasets._conll_encoding import ConllEncoding, Schemes, converted, fit_vocabulary, plain
from framework_datasets._files import sample
from framework_datasets._rows import keep_rare, moved_line, share_out
from framework_datasets._tag_schemes import Scheme, detected, entities, names, parts

Parts = Mapping[str, tuple[str, list[Sentence]]]  # split, or `all` -> a file and its sentences


@dataclass(frozen=True)
class Conll:
    """U.N. official Ekeus heads for Baghdad -> B-ORG O B-PER O O B-LOC: your own sentences, a tag for every word (CoNLL).

    The file is UTF-8 text with a word and its tags per line and an empty line between sentences. Cells are separated by
    tabs, or by blanks. A line -DOCSTART- begins a document and is not a sentence. The tags are those of entities, as IOB1
    (CoNLL-2003), IOB2 or BIOES, and are converted to `target_scheme`; or others, such as parts of speech.

    Fields: x (n, T) ids of words, 0 after the end of shorter sentences; y (n, T) labels; mask (n, T), 1 where a word is.
    With `letters` also chars (n, T, L) ids of the letters of each word, and char_mask (n, T, L), 1 where a letter is. Id 1
    is an unknown word, or letter: one that occurs less than `min_count` times in the training sentences. Those are unknown
    in training too, so that their vector is trained. Sentences of one file are split at random by `dataset.seed`.
    """

    path: str = option(help="the file, relative to the current folder")
    val_path: str | None = option(None, help="a file to validate on; null: a part of the first file")
    test_path: str | None = option(None, help="a file for the test; null: a part of the first file, if it is the only one")
    val: float = option(0.1, least=0, below=1, help="fraction of the sentences for validation, without val_path")
    test: float = option(0.1, least=0, below=1, help="fraction for the test, if there is one file")
    word_column: int = option(0, help="the column of the words, counted from 0; -1: the last")
    tag_column: int = option(-1, help="the column of the tags")
    scheme: Schemes | Literal["auto"] = option(
        "auto", help="of the tags in the file; none: other tags, such as parts of speech"
    )
    target_scheme: Scheme = option("IOB2", help="of the classes, whatever the file has")
    comment: str | None = option(None, help="the beginning of lines that are skipped")
    vocabulary: Literal["train", "all"] = option(
        "train", help="whose words are known; all: those of val and test too, for word vectors from a file"
    )
    min_count: int = option(2, least=1, help="rarer words and letters are unknown")
    lowercase: bool = option(False, help="whether words are read in lower case; letters are read as they are")
    digits: bool = option(False, help="whether every digit counts as 0")
    letters: int | None = option(20, least=1, help="L, letters of a word, the rest is cut off; null: no letters")

    def load(self, rng: np.random.Generator, fold: Any = None) -> Data:
        files = self._files()
        first = next(iter(files.values()))
        scheme = detected(s.tags for s in first[1]) or "none" if self.scheme == "auto" else self.scheme
        files = {part: (path, converted(path, found, scheme, self.target_scheme)) for part, (path, found) in files.items()}
        at, moved = self._split(files, rng, fold)
        parts = {split: (files[part][0], [files[part][1][i] for i in rows]) for split, (part, rows) in at.items()}
        others = [s for split, (_, found) in parts.items() if split != "train" and self.vocabulary == "all" for s in found]
        encoding = self._fitted(parts["train"][1], others, scheme)
        if len(encoding.names) < 2:
            raise DataError(f"{self.path}: every tag is '{encoding.names[0]}'; a tagger needs at least two")
        splits = {split: encoding.encode(path, found, True) for split, (path, found) in parts.items()}
        notes = (*self._notes(parts, encoding), *moved_line(moved, "tag", "sentence"))
        return Data(splits, encoding.fields, names=encoding.names, encoding=encoding, notes=notes)

    def _files(self) -> dict[str, tuple[str, list[Sentence]]]:
        """split -> its own file, or `all` -> the only one; with the sentences."""
        own = {"train": self.path, "val": self.val_path, "test": self.test_path}
        paths = own if self.val_path or self.test_path else {"all": self.path}
        layout = self._layout
        return {part: (path, sentences(path, layout)) for part, path in paths.items() if path is not None}

    @property
    def _layout(self) -> Layout:
        return Layout(self.word_column, self.tag_column, self.comment)

    def _split(
        self, files: Parts, rng: np.random.Generator, fold: Any = None
    ) -> tuple[dict[str, tuple[str, np.ndarray]], dict[str, int]]:
        """split -> the part of the files, and its sentences; split -> the number of sentences that moved to the training
        split, where their tag was missing."""
        if fold is not None and self.val_path:
            raise DataError("folds: dataset.val_path names the sentences that validate; choose one of the two")
        whole = {part: (part, np.arange(len(found))) for part, (_, found) in files.items() if part != "all"}
        if whole and ("val" in files or not (self.val or fold)):
            return whole, {}
        drawn = next(iter(files))
        path, found = files[drawn]
        if not (self.val or self.test or fold):
            return {"train": (drawn, np.arange(len(found)))}, {}
        shares = share_out(path, len(found), rng, self.val, 0 if whole else self.test, "sentence")
        if fold is not None:  # before the vocabulary, which is that of the training sentences
            shares, moved = fold.divide(shares)[0], {}
        else:
            shares, moved = keep_rare(shares, [_numbered(found)])
        return whole | {split: (drawn, rows) for split, rows in shares.items()}, moved

    def _fitted(self, train: Sequence[Sentence], others: Sequence[Sentence], scheme: Schemes) -> ConllEncoding:
        """The vocabularies and the classes of the training sentences; others only have words."""
        words, more = (
            [plain(word, self.lowercase, self.digits) for s in found for word in s.words] for found in (train, others)
        )
        letters = [letter for s in train for word in s.words for letter in plain(word, False, self.digits)]
        tags = sorted({tag for s in train for tag in s.tags})
        kinds = [parts(tag)[1] for tag in tags if tag != "O"]
        return ConllEncoding(
            fit_vocabulary(words, self.min_count, set(more)),
            fit_vocabulary(letters, self.min_count) if self.letters else (),
            self.letters or 0,
            tuple(tags if scheme == "none" else names(kinds, self.target_scheme)),
            scheme,
            self.target_scheme,
            self.lowercase,
            self.digits,
            self._layout,
        )

    def _notes(self, parts: Parts, encoding: ConllEncoding) -> tuple[str, ...]:
        """How the files were read, a line for each split."""
        tags = f"{len(encoding.names)} tags"
        if encoding.scheme != "none":
            converted = encoding.scheme != self.target_scheme
            tags += f", {encoding.scheme}{f' converted to {self.target_scheme}' if converted else ''}"
        first = f"{len(encoding.words)} ids of words (min_count={self.min_count}), {tags}"
        return (f"{self.path}: {first}", *(self._counted(split, *parts[split], encoding) for split in parts))

    def _counted(self, split: str, path: str, found: Sequence[Sentence], encoding: ConllEncoding) -> str:
        n = sum(len(s.words) for s in found)
        line = f"{split}: {len(found)} sentences of {path}, {n} words, {encoding.unknown(found) / n:.1%} unknown"
        if encoding.scheme == "none":
            return line
        counts = Counter(entity.type for s in found for entity in entities(s.tags))
        return f"{line}; entities: {', '.join(f'{kind} {k}' for kind, k in sorted(counts.items())) or 'none'}"

    @classmethod
    def encoding_from_json(cls, values: Mapping[str, Any]) -> ConllEncoding:
        """The encoding that was saved with a model."""
        return ConllEncoding.from_json(values)

    @staticmethod
    def examples() -> list[tuple[Conll, None]]:
        made = [(["we", "met", "Ada", "Low"], ["O", "O", "B-PER", "I-PER"]), (["Rome", "now"], ["B-LOC", "O"])] * 10
        path = sample("tags.txt", text(made).encode())
        speech = sample("speech.txt", text([(["we", "walk"], ["PRON", "VERB"])] * 6).encode())
        return [
            (Conll(path), None),
            (Conll(path, path, path, target_scheme="BIOES", letters=None), None),
            (Conll(speech, val=0.3, test=0), None),
        ]


def _numbered(found: Sequence[Sentence]) -> np.ndarray:
    """The tags of sentences as numbers (n, T); the first one of a sentence also fills its end."""
    tags = {tag: k for k, tag in enumerate(sorted({tag for s in found for tag in s.tags}))}
    out = np.zeros((len(found), max(len(s.words) for s in found)), int)
    for row, s in zip(out, found, strict=True):
        row[:] = tags[s.tags[0]]
        row[: len(s.tags)] = [tags[tag] for tag in s.tags]
    return out
