"""Views of series that are too long for the memory: means of groups, and what else a figure or a table needs to know.

A series is (K, 2) of step and value. It is read in pieces; the means are those of the whole series, except for rounding.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Summary:
    """What is known of a series (K, 2) without its points.

    Attributes:
        count: K.
        first, last: its rows at the ends.
        lowest, highest: the first row with the smallest and the largest finite value; None: no value is finite.
        least, greatest: the same values, infinite ones included; NaN without any.
        least_positive: the smallest finite value above 0, or inf.
        stride: the distance of its steps; NaN where it changes.
    """

    count: int
    first: np.ndarray
    last: np.ndarray
    lowest: np.ndarray | None
    highest: np.ndarray | None
    least: float
    greatest: float
    least_positive: float
    stride: float

    @staticmethod
    def of(a: np.ndarray) -> Summary:
        """The summary of an array with at least one row."""
        finite = a[np.isfinite(a[:, 1])]
        positive, strides = finite[finite[:, 1] > 0, 1], np.unique(np.diff(a[:, 0]))
        return Summary(
            len(a),
            a[0].copy(),
            a[-1].copy(),
            finite[finite[:, 1].argmin()].copy() if len(finite) else None,
            finite[finite[:, 1].argmax()].copy() if len(finite) else None,
            float(np.fmin.reduce(a[:, 1])),
            float(np.fmax.reduce(a[:, 1])),
            float(positive.min(initial=np.inf)),
            float(strides[0]) if len(strides) == 1 else 0.0 if len(a) == 1 else np.nan,
        )

    @property
    def positive(self) -> bool:
        """Whether all finite values are above 0."""
        return self.lowest is None or bool(self.lowest[1] > 0)

    def then(self, after: Summary) -> Summary:
        """The summary of this series and a later one."""
        low = [row for row in (self.lowest, after.lowest) if row is not None]
        high = [row for row in (self.highest, after.highest) if row is not None]
        strides = {float(after.first[0] - self.last[0])}
        strides |= {each.stride for each in (self, after) if each.count > 1}
        return Summary(
            self.count + after.count,
            self.first,
            after.last,
            min(low, key=lambda row: float(row[1]), default=None),
            max(high, key=lambda row: float(row[1]), default=None),
            float(np.fmin(self.least, after.least)),
            float(np.fmax(self.greatest, after.greatest)),
            min(self.least_positive, after.least_positive),
            strides.pop() if len(strides) == 1 else np.nan,
        )

    def over(self, steps: float) -> Summary:
        """The same with steps divided by a number."""
        by = np.array([steps, 1.0])
        ends = None if self.lowest is None else self.lowest / by, None if self.highest is None else self.highest / by
        lowest, highest = ends
        return replace(
            self, first=self.first / by, last=self.last / by, lowest=lowest, highest=highest, stride=self.stride / steps
        )


class Curves(Mapping[str, np.ndarray]):
    """name -> (K, 2) of step and value; of a long series, means and a summary take less memory than its points."""

    def is_long(self, name: str) -> bool:
        """Whether a series is read again each time it is asked for."""
        return False

    def parts(self, name: str) -> Iterator[np.ndarray]:
        """A series in pieces."""
        yield self[name]

    def thinned(self, name: str, most: int, upto: int | None = None) -> np.ndarray:
        """Means of groups of its points, or of the first `upto` of them, as `means`."""
        return means(self[name][:upto], most)

    def summary(self, name: str) -> Summary:
        """What is known of it."""
        return Summary.of(self[name])


def parts(series: Mapping[str, np.ndarray], name: str) -> Iterator[np.ndarray]:
    """A series in pieces."""
    return series.parts(name) if isinstance(series, Curves) else iter([series[name]])


def thinned(series: Mapping[str, np.ndarray], name: str, most: int, upto: int | None = None) -> np.ndarray:
    """Means of groups of the points of a series, or of the first `upto` of them."""
    return series.thinned(name, most, upto) if isinstance(series, Curves) else means(series[name][:upto], most)


def summary(series: Mapping[str, np.ndarray], name: str) -> Summary:
    """The summary of a series with at least one point."""
    return series.summary(name) if isinstance(series, Curves) else Summary.of(series[name])


def is_long(series: Mapping[str, np.ndarray], name: str) -> bool:
    """Whether the points of a series are not in memory."""
    return isinstance(series, Curves) and series.is_long(name)


def means(a: np.ndarray, most: int) -> np.ndarray:
    """Means of consecutive rows of (K, ...), in at most `most` groups of nearly equal size."""
    edges = _edges(len(a), most)
    return np.stack([a[i:j].mean(0) for i, j in itertools.pairwise(edges)])


def _edges(count: int, most: int) -> np.ndarray:
    return np.linspace(0, count, min(most, count) + 1).astype(int)


class Means:
    """The same, of rows that come in pieces.

    Args:
        count: how many rows there will be.
    """

    def __init__(self, count: int, most: int) -> None:
        self.edges, self.found = _edges(count, most), list[np.ndarray]()
        self.rest: np.ndarray | None = None  # the rows of the group that is not complete

    def add(self, rows: np.ndarray) -> None:
        """The next rows; those after `count` are ignored."""
        start = int(self.edges[len(self.found)])
        rows = rows if self.rest is None else np.concatenate([self.rest, rows])
        ends = self.edges[len(self.found) + 1 :]
        here = [start, *ends[: np.searchsorted(ends, start + len(rows), side="right")].tolist()]
        self.found += [rows[i - start : j - start].mean(0) for i, j in itertools.pairwise(here)]
        self.rest = rows[here[-1] - start :].copy("K") if len(self.found) < len(self.edges) - 1 else rows[:0].copy()

    def result(self) -> np.ndarray:
        """(groups, ...)."""
        return np.stack(self.found)


class Reading:
    """What figures and tables need of a series that is read once, in pieces.

    Args:
        count: how many rows are expected.
        sizes: the numbers of groups.
    """

    def __init__(self, count: int, sizes: Iterable[int]) -> None:
        self.count, self.seen, self.known = count, 0, list[Summary]()
        self.groups = {most: Means(count, most) for most in sizes} if count else {}

    def add(self, rows: np.ndarray) -> None:
        """The next rows."""
        self.seen += len(rows)
        self.known = [each.then(Summary.of(rows)) for each in self.known] or [Summary.of(rows)]
        for each in self.groups.values():
            each.add(rows)

    @property
    def summary(self) -> Summary:
        """The summary of what was read."""
        return self.known[0]
