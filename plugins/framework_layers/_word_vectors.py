"""Vectors of words from a text file: a word and its numbers per line, as word2vec and GloVe write it."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from framework import DataError, read_lines

BOM = b"\xef\xbb\xbf"


class WordVectors(NamedTuple):
    """The vectors of some words: ids (k,) and their rows (k, units); how many were found in lower case only, and how many
    words the file has twice."""

    ids: np.ndarray
    rows: np.ndarray
    lowered: int
    repeated: int


def word_vectors(path: str, words: Sequence[str], units: int) -> WordVectors:
    """The vectors of the words that a file has; a file is read once for many networks.

    Args:
        words: by id.
        units: numbers of a vector.

    Raises:
        DataError: the file cannot be read, or a line is wrong; the message names it.
    """
    at = Path(path).expanduser()
    state = (at.stat().st_mtime_ns, at.stat().st_size) if at.is_file() else None
    return _read(os.path.abspath(at), path, tuple(words), units, state)


@functools.lru_cache(maxsize=4)
def _read(at: str, path: str, words: tuple[str, ...], units: int, state: object) -> WordVectors:
    exact = {word.encode(): i for i, word in enumerate(words)}
    lower: dict[bytes, list[int]] = {}
    for i, word in enumerate(words):
        if word.lower() != word:
            lower.setdefault(word.lower().encode(), []).append(i)
    found: dict[int, np.ndarray] = {}
    in_lower: dict[int, np.ndarray] = {}
    repeated = 0
    for number, word, cells in _lines(path, units):
        if word not in exact and word not in lower:
            continue
        row = _numbers(path, number, cells)
        repeated += exact.get(word) in found
        if word in exact:
            found.setdefault(exact[word], row)
        for i in lower.get(word, ()):
            in_lower.setdefault(i, row)
    both = in_lower | found
    rows = np.array([both[i] for i in sorted(both)]).reshape(len(both), units)
    return WordVectors(np.array(sorted(both), int), rows, len(in_lower.keys() - found.keys()), repeated)


def _lines(path: str, units: int) -> Iterator[tuple[int, bytes, list[bytes]]]:
    """The number of each line, its word and its `units` cells.

    A word may contain blanks. The first line may hold the number of words and of their units (word2vec).

    Raises:
        DataError: a line has another number of cells.
    """
    number = 0
    for number, line in enumerate(read_lines(path), 1):
        cells = (line.removeprefix(BOM) if number == 1 else line).split()
        if number == 1 and len(cells) == 2 and all(cell.isdigit() for cell in cells):
            if units not in (int(cells[1]), 1):
                raise DataError(
                    f"{path}: its vectors have {int(cells[1])} numbers (line 1); set units to that (got {units})"
                )
            continue
        if not cells:
            continue
        extra = len(cells) - units - 1
        if extra < 0 or (extra > 0 and _is_number(cells[extra])):
            held = len(cells) - 1
            fix = (
                f"set units to {held} if all lines have as many"
                if number == 1
                else "every line needs a word and its numbers"
            )
            raise DataError(f"{path}: line {number}: {held} numbers, but units is {units}; {fix}")
        yield number, b" ".join(cells[: extra + 1]), cells[extra + 1 :]
    if number == 0:
        raise DataError(f"{path}: the file is empty")


def _numbers(path: str, number: int, cells: list[bytes]) -> np.ndarray:
    try:
        row = np.array([float(cell) for cell in cells])
    except ValueError:
        wrong = next(cell for cell in cells if not _is_number(cell))
        raise DataError(f"{path}: line {number}: {wrong.decode(errors='replace')!r} is not a number") from None
    if not np.isfinite(row).all():
        raise DataError(f"{path}: line {number}: it holds {row[~np.isfinite(row)][0]}; vectors are finite numbers")
    return row


def _is_number(cell: bytes) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
