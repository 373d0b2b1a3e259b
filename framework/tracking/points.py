"""The points of series, on their way to a tracking store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from framework.tracking.metrics_file import number_format

Point = tuple[str, float, int, int]  # name, value, step, milliseconds since 1970


@dataclass(frozen=True)
class PointTable:
    """The points of several series at the same steps: an array, a tenth of the size of its points.

    Attributes:
        names: of the N series.
        steps: S of them.
        values: (S, N).
        when: milliseconds since 1970.
    """

    names: tuple[str, ...]
    steps: Sequence[int]
    values: np.ndarray
    when: int

    def __len__(self) -> int:
        return int(self.values.size)

    def __iter__(self) -> Iterator[Point]:
        # As in the file, so that a store that is restored from it gets the same values.
        texts = (f"{number_format(self.values)} " * len(self) % tuple(self.values.ravel().tolist())).split()
        values = map(float, texts)
        return ((name, next(values), step, self.when) for step in self.steps for name in self.names)
