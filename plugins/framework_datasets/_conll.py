"""Reads and writes files of tagged words: a word and its tags per line, an empty line between sentences (CoNLL)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from framework import DataError
from framework_datasets._files import text_of

DOCUMENT = "-DOCSTART-"


@dataclass(frozen=True)
class Layout:
    """Where a file has its words and tags.

    Attributes:
        word, tag: columns, counted from 0; -1 is the last.
        comment: the beginning of lines that are skipped; None: there are none.
    """

    word: int = 0
    tag: int = -1
    comment: str | None = None


class Sentence(NamedTuple):
    """The words of a sentence, their tags (none if they were not read), and the line of each in the file, from 1."""

    words: tuple[str, ...]
    tags: tuple[str, ...]
    lines: tuple[int, ...]


class Row(NamedTuple):
    """A line of a file with its number, from 1, and its cells: none in an empty line."""

    number: int
    text: str
    cells: tuple[str, ...]


def rows(path: str | Path, comment: str | None = None) -> Iterator[Row]:
    """The lines of a file. Cells are separated by tabs if the first word has one, else by blanks. A comment has no row, a
    beginning of a document (-DOCSTART-) that of an empty line.

    Raises:
        DataError: it cannot be read, lines differ in their number of cells, or a cell is empty.
    """
    tabs, width = None, None
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text_of(path)), 1):
        if comment and line.startswith(comment):
            continue
        if not line.strip(" \t") or line.startswith(DOCUMENT):
            yield Row(number, line, ())
            continue
        tabs = "\t" in line if tabs is None else tabs
        cells = tuple(cell.strip(" ") for cell in line.split("\t")) if tabs else tuple(re.split("[ \t]+", line.strip(" \t")))
        if "" in cells:
            raise DataError(f"{path}: line {number}: column {cells.index('') + 1} is empty; a word has no empty column")
        width = width or len(cells)
        if len(cells) != width:
            raise DataError(
                f"{path}: line {number}: {_counted(len(cells))} ({_short(line)}), but the lines before have {width}; every "
                f"word needs as many, separated by {'a tab' if tabs else 'blanks or tabs'}"
            )
        yield Row(number, line, cells)


def sentences(path: str | Path, layout: Layout | None = None, with_tags: bool = True) -> list[Sentence]:
    """The sentences of a file.

    Raises:
        DataError: as `rows`; or there is no word, or no column of that number.
    """
    layout = layout or Layout()
    wanted = {"word_column": layout.word} | ({"tag_column": layout.tag} if with_tags else {})
    found: list[Sentence] = []
    current: list[tuple[str, str, int]] = []
    for row in [*rows(path, layout.comment), Row(0, "", ())]:
        if row.cells:
            if not found and not current:
                _check_columns(path, row, wanted)
            cells = row.cells
            current.append((cells[layout.word], cells[layout.tag] if with_tags else "", row.number))
        elif current:
            words, tags, lines = zip(*current, strict=True)
            found.append(Sentence(words, tags if with_tags else (), lines))
            current = []
    if not found:
        raise DataError(f"{path}: it holds no words; every line is empty, a comment or {DOCUMENT}")
    return found


def text(found: Iterable[tuple[Sequence[str], Sequence[str]]]) -> str:
    """The text of sentences as words and tags: what `sentences` reads."""
    return "\n".join("".join(f"{w}\t{tag}\n" for w, tag in zip(words, tags, strict=True)) for words, tags in found)


def _check_columns(path: str | Path, row: Row, wanted: dict[str, int]) -> None:
    """Check that a word and a tag are there, in different columns."""
    n = len(row.cells)
    for key, column in wanted.items():
        if not -n <= column < n:
            raise DataError(f"{path}: line {row.number}: dataset.{key}={column}, but there are {n} columns, 0 ... {n - 1}")
    if len({column % n for column in wanted.values()}) < len(wanted):
        raise DataError(f"{path}: line {row.number}: {_counted(n)} ({_short(row.text)}); a word and its tag are needed")


def _counted(n: int) -> str:
    return f"{n} column{'' if n == 1 else 's'}"


def _short(line: str, most: int = 40) -> str:
    shown = line if len(line) <= most else f"{line[: most - 3]}..."
    return repr(shown)
