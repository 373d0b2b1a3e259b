"""A column of words becomes numbers, 0/1 columns or class indices; a word that cannot be is named with its line."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

from framework_datasets.table import Table, near, number

REPAIR = "put it right, or leave out the row or the column"
DECIMAL_COMMA = re.compile(r"[+-]?\d[\d.]*,\d+")


def is_numbers(table: Table, name: str) -> bool:
    """True where every value is a finite number, False where none is a number.

    Raises:
        DataError: the column holds both, or an empty cell, NaN or inf, or numbers with a decimal comma.
    """
    words = table.columns[name]
    found = [number(word) for word in words]
    for row, (word, value) in enumerate(zip(words, found, strict=True)):
        if not word or (value is not None and not math.isfinite(value)):
            raise _fault(table, name, row, value)
    texts = [row for row, value in enumerate(found) if value is None]
    if not texts:
        return True
    if len(texts) == len(words) and not all(DECIMAL_COMMA.fullmatch(word) for word in words):
        return False
    if 2 * len(texts) < len(words) or len(texts) == len(words) or DECIMAL_COMMA.fullmatch(words[texts[0]]):
        raise _fault(table, name, texts[0], None)
    row = next(row for row, value in enumerate(found) if value is not None)
    raise table.fault(row, name, f"'{words[row]}' is a number in a column of text; {REPAIR}")


def real(table: Table, name: str) -> np.ndarray:
    """(n,) float64.

    Raises:
        DataError: text, an empty cell, NaN or inf.
    """
    found = [number(word) for word in table.columns[name]]
    for row, value in enumerate(found):
        if value is None or not math.isfinite(value):
            raise _fault(table, name, row, value)
    return np.array(found, float)


def one_hot(table: Table, name: str, categories: Sequence[str], unseen: str) -> np.ndarray:
    """(n, K) float64 of 0 and 1: column k is 1 where the word is category k.

    Raises:
        DataError: a word is no category; `unseen` says what that means.
    """
    out = np.zeros((len(table), len(categories)))
    out[np.arange(len(table)), _indices(table, name, table.columns[name], "category", categories, unseen)] = 1
    return out


def class_indices(table: Table, name: str, classes: Sequence[str], unseen: str) -> np.ndarray:
    """(n,) the index of each row's label among the classes.

    Raises:
        DataError: a label is no class; `unseen` says what that means.
    """
    labels = [label(word) for word in table.columns[name]]
    return _indices(table, name, labels, "label", classes, unseen)


def _indices(table: Table, name: str, words: Sequence[str], what: str, known: Sequence[str], unseen: str) -> np.ndarray:
    index = {word: k for k, word in enumerate(known)}
    for row, word in enumerate(words):
        if not word:
            raise _fault(table, name, row, None)
        if word not in index:
            raise table.fault(row, name, f"the {what} '{word}' {unseen}{near(word, known)}")
    return np.array([index[word] for word in words], np.int64)


def label(word: str) -> str:
    """The name of a class: 3, 3.0 and 03 are one."""
    value = number(word)
    return str(int(value)) if value is not None and value.is_integer() else word


def _fault(table: Table, name: str, row: int, value: float | None) -> Exception:
    word = table.columns[name][row]
    if not word:
        return table.fault(row, name, f"the cell is empty; {REPAIR}")
    if value is not None:
        return table.fault(row, name, f"'{word}' is no finite number; {REPAIR}")
    comma = ", not with a comma" if DECIMAL_COMMA.fullmatch(word) else ""
    how = "numbers are written with a point, as in 1.5" + comma if comma else REPAIR
    return table.fault(row, name, f"'{word}' is text in a column of numbers; {how}")
