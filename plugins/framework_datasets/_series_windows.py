"""Cuts a series into windows for a target some steps ahead, into splits, and at its gaps; and its naive forecasts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Targets = Literal["all", "last"]
Part = tuple[int, int]  # the first row, and the row after the last


@dataclass(frozen=True)
class Windows:
    """Windows of `length` rows, and their targets: the first column `horizon` rows later.

    Attributes:
        targets: all: a target for each row of a window; last: one, for the last row.
    """

    length: int
    horizon: int
    targets: Targets

    def starts(self, parts: Sequence[Part], stride: int) -> np.ndarray:
        """The first rows of all complete windows, each with its targets in one part."""
        found = [np.arange(begin, end - self.length - self.horizon + 1, stride) for begin, end in parts]
        return np.concatenate(found) if found else np.zeros(0, int)

    def read(self, values: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """x (n, length, F)."""
        return values[starts[:, None] + np.arange(self.length)]

    def to(self, starts: np.ndarray) -> np.ndarray:
        """The rows of the targets, (n, length) or (n,)."""
        rows = starts[:, None] + np.arange(self.length) + self.horizon
        return rows if self.targets == "all" else rows[:, -1]

    def target(self, values: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """y (n, length, 1) or (n, 1)."""
        return values[self.to(starts)][..., :1]

    def naive(self, values: np.ndarray, starts: np.ndarray, parts: Sequence[Part], period: int | None) -> np.ndarray:
        """The naive forecast of the targets: the last value that is known; with `period` the value so many rows before the
        target. Where that lies before the part of the series, it is the last value."""
        to = self.to(starts)
        known = to - self.horizon
        if period is not None:
            known = np.where(self.repeats(starts, parts, period), to - period, known)
        return values[known][..., :1]

    def repeats(self, starts: np.ndarray, parts: Sequence[Part], period: int) -> np.ndarray:
        """Whether the part of a target has a row one period before it, (n, length) or (n,)."""
        first = np.zeros(parts[-1][1], int)
        for begin, end in parts:
            first[begin:end] = begin
        return self.to(starts) - period >= first[self.to(starts)]


def splits_of(n: int, val: float, test: float) -> dict[str, Part]:
    """split -> its rows: the first ones train, the next ones validate, the last ones are the test."""
    n_val, n_test = round(val * n), round(test * n)
    a, b = n - n_val - n_test, n - n_test
    return {"train": (0, a)} | ({"val": (a, b)} if val else {}) | ({"test": (b, n)} if test else {})


def inside(parts: Sequence[Part], split: Part) -> Iterator[Part]:
    """The parts of a series that lie in a split, cut at its ends."""
    for begin, end in parts:
        if max(begin, split[0]) < min(end, split[1]):
            yield max(begin, split[0]), min(end, split[1])
