"""Reads a delimited text into words with line numbers."""

from __future__ import annotations

import csv
import difflib
import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from framework import DataError, did_you_mean
from framework_datasets._files import text_of

# The delimiters of `auto`. The names are for the shell, in which a plain semicolon or bar has a meaning.
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
SAMPLE = 8192  # characters that `auto` reads
DECIMAL_COMMA = re.compile(r"[+-]?(\d+|\d{1,3}(\.\d{3})+)?,\d+([eE][+-]?\d+)?")
SEPARATOR = re.compile(r"\s*\"?sep=(.)\"?[ \t]*(?=[\r\n])")  # the first line of a file that a spreadsheet wrote

Decimal = Literal["point", "comma"]
Header = bool | list[str]
Missing = list[str | float | None] | None


@dataclass(frozen=True)
class Format:
    """The format of a table's text.

    Attributes:
        delimiter: one character, or comma, semicolon, tab, bar, auto.
        decimal: the decimal sign.
        header: whether the first line names the columns; otherwise their names, or False: c0, c1, ...
        encoding: of the text; None: UTF-8, without an option that changes it.
        missing: the words that mean a missing value, besides empty cells; None: no cell may be empty.
    """

    delimiter: str = ","
    decimal: Decimal = "point"
    header: bool | tuple[str, ...] = True
    missing: tuple[str, ...] | None = None
    encoding: str | None = None

    @classmethod
    def of(
        cls, delimiter: str, decimal: Decimal, header: Header, missing: Missing = None, encoding: str | None = None
    ) -> Format:
        """The format from the options of a data set."""
        words = None if missing is None else tuple("null" if word is None else str(word) for word in missing)
        return cls(delimiter, decimal, header if isinstance(header, bool) else tuple(header), words, encoding)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Format:
        """The format from the values of `to_json`, among other keys; older files have the delimiter only."""
        header, missing = values.get("header", True), values.get("missing")
        return cls(
            values["delimiter"],
            values.get("decimal", "point"),
            header if isinstance(header, bool) else tuple(header),
            None if missing is None else tuple(missing),
            values.get("encoding"),
        )


@dataclass(frozen=True)
class Table:
    """The words of a file below its header.

    Attributes:
        path: the file, for messages.
        columns: column -> its words, one per row.
        lines: the line of the file on which each row begins, counted from 1.
        index: whether a first column without a name, which only counts the rows, was left out.
        pointed: column -> its rows with a decimal point, if the decimal sign is a comma.
        parsed: column -> its numbers, cached.
    """

    path: str
    columns: dict[str, tuple[str, ...]]
    lines: list[int]
    index: bool = False
    pointed: Mapping[str, list[int]] = field(default_factory=dict)
    parsed: dict[str, np.ndarray] = field(default_factory=dict, compare=False)

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.lines)

    def fault(self, row: int, column: str, text: str) -> DataError:
        """An error about one cell, with its position."""
        return DataError(f"{self.path}: line {self.lines[row]}, column '{shown(column)}': {text}")

    def require(self, name: str, role: str) -> None:
        """Check that a column exists.

        Args:
            role: what the column is for, for the message.

        Raises:
            DataError: it does not; the message suggests the closest name.
        """
        if name not in self.columns:
            hint = self._headless()
            raise DataError(f"{self.path}: {role}: unknown column '{name}' in the header{near(name, self.columns)}{hint}")

    def take(self, rows: Sequence[int]) -> Table:
        """Some of the rows."""
        columns = {name: tuple(words[row] for row in rows) for name, words in self.columns.items()}
        new = {row: i for i, row in enumerate(rows)}
        pointed = {name: [new[row] for row in found if row in new] for name, found in self.pointed.items()}
        return replace(self, columns=columns, lines=[self.lines[row] for row in rows], pointed=pointed, parsed={})

    def filled(self, words: Mapping[str, str]) -> Table:
        """Empty cells of some columns replaced by a word for each column."""
        new = {name: tuple(word or words[name] for word in self.columns[name]) for name in words}
        return replace(self, columns=self.columns | new, parsed={})

    def _headless(self) -> str:
        numeric = [name for name in self.columns if number(name) is not None]
        return f"; '{numeric[0]}' in the header is a number: dataset.header=false if it is a row of data" if numeric else ""


def near(word: str, names: Iterable[str], most: int = 30) -> str:
    """The closest of `names`, and all of them unless they are many."""
    known = list(names)
    if len(known) <= most:
        return did_you_mean(word, known)
    close = difflib.get_close_matches(word, known, 1)
    return f"; did you mean '{close[0]}'?" if close else f" (there are {len(known)})"


def shown(word: str, most: int = 50) -> str:
    """A word for a message: on one line, shortened."""
    flat = " ".join(word.split())
    return flat if len(flat) <= most else f"{flat[:most]}..."


def read_table(path: str | Path, how: Format = Format()) -> Table:
    """Read a table. Spaces around words are dropped; empty lines, and a first line `sep=;`, are not
    rows. A first column without a name that counts the rows, as pandas writes, is left out.

    Raises:
        DataError: the file cannot be read, has no header, or a row of a different length.
    """
    text = text_of(path, how.encoding)
    separator = SEPARATOR.match(text)
    delimiter = how.delimiter
    if separator:
        text = text[separator.end() :]  # its line end stays, so that lines are counted
        delimiter = separator[1] if delimiter == "auto" else delimiter
    rows, lines = _rows(path, text, _delimiter(path, text, delimiter))
    if not rows:
        raise DataError(f"{path}: the file is empty")
    body, at = (rows[1:], lines[1:]) if how.header is True else (rows, lines)
    index = how.header is True and len(rows[0]) > 1 and _is_index(rows[0][0], [row[0] for row in body])
    if how.header is True and len(rows[0]) == 1:
        _check_one_column(f"{path}: line {lines[0]}", rows[0][0], rows[1:])
    names = _names(f"{path}: line {lines[0]}", how.header, rows[0][index:])
    _check_lengths(path, rows, lines)
    if not body:
        raise DataError(f"{path}: there is no row below the header")
    return replace(_table(path, names, [row[index:] for row in body], at, how), index=index)


def _check_lengths(path: str | Path, rows: Sequence[Sequence[str]], lines: Sequence[int]) -> None:
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(rows[0]):
            raise DataError(
                f"{path}: line {line}: expected {len(rows[0])} fields, as on line {lines[0]}, but got {len(row)}; "
                f"a field that holds the delimiter needs quotes"
            )


def _table(path: str | Path, names: Sequence[str], rows: Sequence[Sequence[str]], lines: list[int], how: Format) -> Table:
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    if how.missing is not None:
        words = {_plain(word) for word in how.missing}
        columns = {name: tuple("" if _plain(w) in words else w for w in column) for name, column in columns.items()}
    if how.decimal == "point":
        return Table(str(path), columns, lines)
    pointed = {}
    for name, column in columns.items():
        pointed[name] = [row for row, word in enumerate(column) if "." in word and number(word) is not None]
        columns[name] = tuple(with_point(word) for word in column)
    return Table(str(path), columns, lines, pointed=pointed)


def _plain(word: str) -> str:
    """A word that means a missing value, in normalized form: -999 is -999.0, NaN is nan."""
    value = number(word)
    return word if value is None else str(value)


def with_point(word: str) -> str:
    """1.234,5 as 1234.5; other words stay unchanged."""
    return word.replace(".", "").replace(",", ".") if DECIMAL_COMMA.fullmatch(word) else word


def _names(place: str, header: bool | tuple[str, ...], first: list[str]) -> list[str]:
    """The names of the columns, from the first line `first`."""
    if header is True:
        _check_header(place, first)
        return first
    if header is False:
        return [f"c{i}" for i in range(len(first))]
    if len(header) != len(first):
        raise DataError(f"{place}: dataset.header has {len(header)} names, but there are {len(first)} columns")
    _check_names("dataset.header", list(header))
    return list(header)


def _is_index(name: str, words: Sequence[str]) -> bool:
    """Whether a column without a name only counts the rows."""
    return not name and bool(words) and all(word.isdecimal() for word in words) and len(set(words)) == len(words)


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
        raise DataError(f"{path}: the delimiter was not detected; set it, as in dataset.delimiter=semicolon") from error


def _rows(path: str | Path, text: str, delimiter: str) -> tuple[list[list[str]], list[int]]:
    """Rows of words, with the header, and the line on which each starts."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    rows: list[list[str]] = []
    lines, before = [], 0
    try:
        for row in reader:
            words = [word.strip() for word in row]
            one_column = bool(rows) and len(rows[0]) == 1
            if words and (words != [""] or one_column):  # "" is an empty cell there, but an empty line elsewhere
                rows.append(words)
                lines.append(before + 1)
            before = reader.line_num
    except csv.Error as error:
        raise DataError(f"{path}: line {before + 1}: {error}; look for an unmatched quotation mark") from error
    return rows, lines


def _check_one_column(place: str, name: str, rows: Sequence[Sequence[str]]) -> None:
    """Check that a header with one column does not hold another delimiter.

    Raises:
        DataError: it does; the message suggests the delimiter and, for numbers with a comma, the decimal sign.
    """
    other = next((d for d in DELIMITERS if d in name), None)
    if other is not None:
        cells = ",".join(rows[0]).split(other) if rows else []  # a decimal comma has split the row
        comma = " dataset.decimal=comma" if any(DECIMAL_COMMA.fullmatch(cell.strip()) for cell in cells) else ""
        raise DataError(
            f"{place} is one column, '{shown(name)}'; did you mean dataset.delimiter={DELIMITERS[other]}{comma}?"
        )


def _check_header(place: str, names: list[str]) -> None:
    if all(number(name) is not None for name in names):
        raise DataError(
            f"{place} holds only numbers ({shown(', '.join(names))}); the first line must name the columns, or "
            f"use dataset.header=false, which names them {'c0' if len(names) == 1 else f'c0 ... c{len(names) - 1}'}"
        )
    _check_names(place, names)


def _check_names(place: str, names: list[str]) -> None:
    if "" in names:
        raise DataError(f"{place}: column {names.index('') + 1} has no name; every column needs one")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        where = " and ".join(str(i + 1) for i, name in enumerate(names) if name == twice[0])
        hint = "; dataset.header=false if this is the first row of data" if number(twice[0]) is not None else ""
        raise DataError(
            f"{place}: '{shown(twice[0])}' is the name of columns {where}; every column needs a different name{hint}"
        )


def number(word: str) -> float | None:
    """The number in a word, or None. 1_000, which Python would accept, is text."""
    try:
        return None if "_" in word else float(word)
    except ValueError:
        return None
