"""Reads a column of words as numbers, 0/1 columns or class indices; an invalid word is reported with its line."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

from framework import DataError
from framework_datasets._table import DECIMAL_COMMA, Table, near, number, shown, with_point

REPAIR = "correct it, or leave out the row or the column"
AS_CATEGORIES = "dataset.categories reads the column as categories"
# Words that often mean a missing value.
ABSENT = {"?", "-", "--", ".", "na", "n/a", "#n/a", "nan", "nil", "none", "null", "missing", "unknown"}
# Text that a reader would call a number.
LIKE_NUMBERS = {
    "percent signs": re.compile(r"[+-]?\d+([.,]\d+)?\s*%"),
    "money": re.compile(r"[+-]?[$€£¥]\s*[+-]?\d[\d.,]*|[+-]?\d[\d.,]*\s*[$€£¥]"),
    "dates or times": re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}([T ]\d{1,2}:\d{2}\S*)?|\d{1,2}:\d{2}(:\d{2})?"),
    "separators of thousands": re.compile(r"[+-]?\d{1,3}([', ]\d{3})+(\.\d+)?"),
}
ISO = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?")
LEADING_ZERO = re.compile(r"[+-]?0\d+(\.\d*)?")


def numbers(table: Table, name: str) -> np.ndarray | None:
    """(n,) float64 if every value is a finite number, None if none is a number.

    Raises:
        DataError: the column holds both, or an empty cell, NaN or inf, or numbers with a decimal comma.
    """
    words, values = table.columns[name], _parsed(table, name)
    odd = np.flatnonzero(~np.isfinite(values)).tolist()
    for row in odd:
        if not words[row] or number(words[row]) is not None:
            raise _fault(table, name, row)
    if not odd:
        return values
    all_text = len(odd) == len(words)
    if all_text and not all(DECIMAL_COMMA.fullmatch(word) for word in words):
        return None
    if all_text or 2 * len(odd) <= len(words):
        raise _fault(table, name, odd[0])
    row = int(np.argmax(np.isfinite(values)))
    raise table.fault(row, name, f"'{shown(words[row])}' is a number in a column of text; {REPAIR}; {AS_CATEGORIES}")


def real(table: Table, name: str, fill: bool = True) -> np.ndarray:
    """A column of real numbers, (n,) in float64.

    Args:
        fill: whether the data set has the options missing and fill, for the message.

    Raises:
        DataError: text, an empty cell, NaN or inf.
    """
    values = _parsed(table, name)
    odd = np.flatnonzero(~np.isfinite(values))
    if odd.size:
        raise _fault(table, name, int(odd[0]), fill)
    return values


def moments(table: Table, name: str, role: str = "dataset.order") -> np.ndarray:
    """A column that orders rows, (n,): numbers, or dates and times as 2024-01-31 or 2024-01-31T12:30.

    Args:
        role: the option that names the column, for the message.

    Raises:
        DataError: a value is neither.
    """
    words = table.columns[name]
    values = _parsed(table, name)
    if np.isfinite(values).all():
        return values
    dated = not np.isfinite(values).any()
    for row, word in enumerate(words):
        if not (ISO.fullmatch(word) if dated else np.isfinite(values[row])):
            what = f"'{shown(word)}' is no number and no date such as 2024-01-31" if word else "the cell is empty"
            raise table.fault(row, name, f"{what}; {role} needs one in every row")
    try:
        return np.array(words, "datetime64[us]")
    except ValueError as error:
        raise DataError(f"{table.path}: column '{shown(name)}': {error}") from error


def like_numbers(words: Sequence[str]) -> str | None:
    """Why a column that looks like numbers is text, or None."""
    kinds = (kind for kind, pattern in LIKE_NUMBERS.items() if all(map(pattern.fullmatch, words)))
    return next(kinds, None)


def _parsed(table: Table, name: str) -> np.ndarray:
    """(n,) float64, NaN for text.

    Raises:
        DataError: a number has a decimal point although the decimal sign is a comma.
    """
    if table.pointed.get(name):
        row, text = table.pointed[name][0], "has a point, but with dataset.decimal=comma the decimal sign is a comma"
        raise table.fault(row, name, f"'{table.columns[name][row]}' {text}")
    if name not in table.parsed:
        table.parsed[name] = _floats(table.columns[name])
    return table.parsed[name]


def _floats(words: Sequence[str]) -> np.ndarray:
    """(n,) float64, NaN for text."""
    try:
        if "_" not in "".join(words):  # the fast path would read 1_000 as a number
            return np.fromiter(map(float, words), float, len(words))
    except ValueError:
        pass
    found = (number(word) for word in words)
    return np.array([math.nan if value is None else value for value in found])


def one_hot(table: Table, name: str, words: Sequence[str], categories: Sequence[str], unseen: str) -> np.ndarray:
    """(n, K) float64 of 0 and 1: column k is 1 where the word is category k.

    Raises:
        DataError: a word is not a category; `unseen` ends the message.
    """
    out = np.zeros((len(table), len(categories)))
    out[np.arange(len(table)), _indices(table, name, words, "category", categories, unseen)] = 1
    return out


def class_indices(table: Table, name: str, classes: Sequence[str], unseen: str) -> np.ndarray:
    """(n,) the index of each row's label among the classes.

    Raises:
        DataError: a label is not a class; `unseen` ends the message.
    """
    labels = [label(word) for word in table.columns[name]]
    return _indices(table, name, labels, "label", classes, unseen)


def _indices(table: Table, name: str, words: Sequence[str], what: str, known: Sequence[str], unseen: str) -> np.ndarray:
    index = {word: k for k, word in enumerate(known)}
    for row, word in enumerate(words):
        if not word:
            raise _fault(table, name, row)
        if word not in index:
            raise table.fault(row, name, f"the {what} '{shown(word)}' {unseen}{near(word, known)}")
    return np.array([index[word] for word in words], np.int64)


def label(word: str) -> str:
    """The name of a class: 3, 3.0 and 03 are the same."""
    if re.fullmatch(r"[+-]?\d+", word):
        return str(int(word))  # exact for any size
    value = number(word)
    return str(int(value)) if value is not None and value.is_integer() else word


def _fault(table: Table, name: str, row: int, fill: bool = True) -> DataError:
    """Why a word is not a number."""
    word = table.columns[name][row]
    hint = f"; {_filling(word)}" if fill and word.lower() in {"", *ABSENT} else ""
    if not word:
        return table.fault(row, name, f"the cell is empty; {REPAIR}{hint}")
    if number(word) is not None:
        return table.fault(row, name, f"'{shown(word)}' is not a finite number; {REPAIR}{hint}")
    how = REPAIR
    if DECIMAL_COMMA.fullmatch(word):
        how = f"numbers need a decimal point; dataset.decimal=comma reads it as {with_point(word)}"
    return table.fault(row, name, f"'{shown(word)}' is text in a column of numbers; {how}{hint}")


def _filling(word: str) -> str:
    """A hint at the options for missing values."""
    given = f"dataset.missing=[{word}]" if re.fullmatch(r"[\w.?/-]*", word) else f'dataset.missing=["{word}"]'
    given = given if re.fullmatch(r"[\w.=\[\]/-]*", given) else f"'{given}'"
    return f"{given} leaves out such rows; with dataset.fill=mean they are filled in"
