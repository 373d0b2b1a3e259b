"""The column of time of a series: it must rise in equal steps, or the series is cut where steps are missing."""

from __future__ import annotations

import itertools
from typing import Literal

import numpy as np

from framework import DataError
from framework_datasets._columns import moments
from framework_datasets._series_windows import Part
from framework_datasets._table import Table, shown

Gaps = Literal["error", "split"]


def parts_of(table: Table, name: str, gaps: Gaps) -> list[Part]:
    """The parts of a series without a missing step. A step is the most frequent distance of two rows; months and years,
    whose lengths differ, count as equal steps.

    Raises:
        DataError: time does not rise, or rows are closer than a step; with gaps: error, a step is missing.
    """
    table.require(name, "dataset.time")
    at = moments(table, name, "dataset.time")
    between = np.diff(at.astype(np.int64) if at.dtype.kind == "M" else at)
    if not len(between):
        return [(0, len(table))]
    _check_rises(table, name, between)
    distances, counts = np.unique(between, return_counts=True)
    step = distances[counts.argmax()]
    steps = np.rint(between / step).astype(int)
    if (steps < 1).any():
        row = int((steps < 1).argmax()) + 1
        raise _fault(table, name, row, f"less than half a step after {_word(table, name, row - 1)}", step, at)
    rows = np.flatnonzero(steps > 1) + 1
    if len(rows) and gaps == "error":
        row, missing = int(rows[0]), int(steps[rows[0] - 1]) - 1
        what = "1 step is missing" if missing == 1 else f"{missing} steps are missing"
        more = f" (the first of {len(rows)} gaps)" if len(rows) > 1 else ""
        pair = f"between {_word(table, name, row - 1)} and {_word(table, name, row)}{more}"
        raise _fault(table, name, row, f"{what} {pair}; add the rows, or cut the series there: dataset.gaps=split", step, at)
    edges = [0, *rows.tolist(), len(table)]
    return list(itertools.pairwise(edges))


def _check_rises(table: Table, name: str, between: np.ndarray) -> None:
    for row in (np.flatnonzero(between <= 0) + 1)[:1].tolist():
        now, before = _word(table, name, row), _word(table, name, row - 1)
        what = f"{now} is there twice" if between[row - 1] == 0 else f"{now} comes after {before}"
        raise DataError(
            f"{table.path}: line {table.lines[row]}: {what}, but the column '{shown(name)}' (dataset.time) must rise; "
            "sort the rows, and keep one for each time"
        )


def _word(table: Table, name: str, row: int) -> str:
    return shown(table.columns[name][row])


def _fault(table: Table, name: str, row: int, what: str, step: float, at: np.ndarray) -> DataError:
    size = duration(int(step)) if at.dtype.kind == "M" else f"{step:g}"
    return DataError(f"{table.path}: line {table.lines[row]}: {what} (column '{shown(name)}', a step is {size})")


def duration(microseconds: int) -> str:
    """1 day, 15 minutes, 90 seconds ..."""
    seconds = microseconds / 1e6
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}{'s' if seconds > size else ''}"
    return f"{seconds:g} second{'' if seconds == 1 else 's'}"
