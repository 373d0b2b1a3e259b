"""A delimited text becomes words that know their line."""

from __future__ import annotations

import csv
import difflib
import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from framework import DataError, nearest
from framework_datasets.files import text_of

# What `auto` looks for. The words are for the shell, which reads a bare semicolon or bar as its own.
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
SAMPLE = 8192  # characters that `auto` looks at


@dataclass(frozen=True)
class Table:
    """The words of a file below its header.

    Attributes:
        path: the file, as messages name it.
        columns: column -> its words, one per row.
        lines: the line of the file on which each row begins, counted from 1.
    """

    path: str
    columns: dict[str, tuple[str, ...]]
    lines: list[int]

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.lines)

    def fault(self, row: int, column: str, text: str) -> DataError:
        """What is wrong with one cell, with its place."""
        return DataError(f"{self.path}: line {self.lines[row]}, column '{shown(column)}': {text}")

    def require(self, name: str, role: str) -> None:
        """
        Args:
            role: what the column is for, for the message.

        Raises:
            DataError: there is no such column; the nearest one is offered.
        """
        if name not in self.columns:
            raise DataError(f"{self.path}: {role}: no column '{name}' in the header{near(name, self.columns)}")


def near(word: str, names: Iterable[str], most: int = 30) -> str:
    """The closest of `names`, and all of them unless they are many."""
    known = list(names)
    if len(known) <= most:
        return nearest(word, known)
    close = difflib.get_close_matches(word, known, 1)
    return f"; did you mean '{close[0]}'?" if close else f" (there are {len(known)})"


def shown(word: str, most: int = 50) -> str:
    """A word as a message has room for it: on one line, cut if need be."""
    flat = " ".join(word.split())
    return flat if len(flat) <= most else f"{flat[:most]}..."


def read_table(path: str | Path, delimiter: str = ",") -> Table:
    """A text with a header, in UTF-8. Blanks around words are dropped, empty lines are no rows.

    Args:
        delimiter: one character, or comma, semicolon, tab, bar; or auto: csv.Sniffer finds which of these four.

    Raises:
        DataError: the file cannot be read, has no header, or a row of another length than the header.
    """
    text = text_of(path)
    rows, lines = _rows(path, text, _delimiter(path, text, delimiter))
    if not rows:
        raise DataError(f"{path}: the file is empty")
    _check_header(f"{path}: line {lines[0]}", rows[0])
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(rows[0]):
            raise DataError(
                f"{path}: line {line}: expected {len(rows[0])} fields, as on line {lines[0]}, and got {len(row)}; "
                f"a field that holds the delimiter needs quotes"
            )
    if len(rows) == 1:
        raise DataError(f"{path}: there is a header and no row below it")
    header, *body = rows
    return Table(str(path), dict(zip(header, zip(*body, strict=True), strict=True)), lines[1:])


def _delimiter(path: str | Path, text: str, delimiter: str) -> str:
    if delimiter != "auto":
        character = {word: d for d, word in DELIMITERS.items()}.get(delimiter, delimiter)
        if len(character) != 1 or character in '"\r\n':
            words = ", ".join(DELIMITERS.values())
            raise DataError(f"{path}: dataset.delimiter: {delimiter!r} is not one character, and none of {words}, auto")
        return character
    sample = text if len(text) <= SAMPLE else text[: text.rfind("\n", 0, SAMPLE) + 1] or text[:SAMPLE]
    try:
        return csv.Sniffer().sniff(sample, "".join(DELIMITERS)).delimiter
    except csv.Error as error:
        raise DataError(f"{path}: the delimiter is not to be seen; name it, as in dataset.delimiter=semicolon") from error


def _rows(path: str | Path, text: str, delimiter: str) -> tuple[list[list[str]], list[int]]:
    """Rows of words, the header among them, and the line on which each begins."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    rows: list[list[str]] = []
    lines, before = [], 0
    try:
        for row in reader:
            words = [word.strip() for word in row]
            one_column = bool(rows) and len(rows[0]) == 1
            if words and (words != [""] or one_column):  # "" is an empty cell there, and a line of blanks elsewhere
                rows.append(words)
                lines.append(before + 1)
            before = reader.line_num
    except csv.Error as error:
        raise DataError(f"{path}: line {before + 1}: {error}; look for a quotation mark without its partner") from error
    return rows, lines


def _check_header(place: str, names: list[str]) -> None:
    if all(number(name) is not None for name in names):
        raise DataError(f"{place} holds numbers only ({shown(', '.join(names))}); the first line must name the columns")
    if "" in names:
        raise DataError(f"{place}: column {names.index('') + 1} has no name; every column needs one")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        where = " and ".join(str(i + 1) for i, name in enumerate(names) if name == twice[0])
        raise DataError(f"{place}: '{shown(twice[0])}' is the name of columns {where}; every column needs a name of its own")
    other = [d for d in DELIMITERS if d in names[0]]
    if len(names) == 1 and other:
        raise DataError(f"{place} is one column, '{shown(names[0])}'; is dataset.delimiter={DELIMITERS[other[0]]} meant?")


def number(word: str) -> float | None:
    """The number that a word is, or None. 1_000, which Python would read, is text."""
    try:
        return None if "_" in word else float(word)
    except ValueError:
        return None
