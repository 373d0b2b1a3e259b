"""Missing values: rows are left out, or the cells are filled in from the training split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from framework import DataError
from framework_datasets._table import Table, number, shown

Fill = Literal["mean", "median"] | None


def without(table: Table, names: Sequence[str], what: str) -> tuple[Table, tuple[str, ...]]:
    """The rows that have a value in all of these columns, and a line that counts the others.

    Raises:
        DataError: no row is left.
    """
    counts = {name: sum(not word for word in table.columns[name]) for name in names}
    if not any(counts.values()):
        return table, ()
    rows = [row for row in range(len(table)) if all(table.columns[name][row] for name in names)]
    if not rows:
        raise DataError(f"{table.path}: every row has a missing value ({_counted(counts)}); dataset.fill=mean fills them in")
    left_out = len(table) - len(rows)
    return table.take(rows), (f"{left_out} of {len(table)} rows left out: {what} is missing ({_counted(counts)})",)


def fit_fills(
    table: Table, names: Sequence[str], train: np.ndarray, how: Fill, categories: Sequence[str] = ()
) -> tuple[dict[str, str], tuple[str, ...]]:
    """column -> the word that replaces a missing value, and a line with the number of missing values.

    A column of numbers gets the mean or median of the training rows, a column of words its most frequent word there. All
    columns have one, for new files. Numbers of `categories` count as words.

    Raises:
        DataError: a column has no value in the training rows.
    """
    fills = {}
    for name in names:
        words = [table.columns[name][row] for row in train if table.columns[name][row]]
        if not words:
            raise DataError(f"{table.path}: column '{shown(name)}' has no value in the training split; leave it out")
        values = [number(word) for word in words]
        numeric = [value for value in values if value is not None and np.isfinite(value)]
        if len(numeric) == len(values) and name not in categories:
            fills[name] = repr(float(np.mean(numeric) if how == "mean" else np.median(numeric)))
        else:
            fills[name] = min(Counter(words).items(), key=lambda pair: (-pair[1], pair[0]))[0]
    return fills, fill_line(table, fills)


def fill_line(table: Table, fills: Mapping[str, str]) -> tuple[str, ...]:
    """A line with the number of filled cells, if there are any."""
    counts = {name: sum(not word for word in table.columns[name]) for name in fills}
    listed = ", ".join(f"{shown(name)}: {count} with {_short(fills[name])}" for name, count in counts.items() if count)
    n = sum(counts.values())
    return (f"{n} missing {'value' if n == 1 else 'values'} filled in from the training split ({listed})",) if n else ()


def _short(word: str) -> str:
    value = number(word)
    return shown(word) if value is None else f"{value:.6g}"


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{shown(name)}: {count}" for name, count in counts.items() if count)
