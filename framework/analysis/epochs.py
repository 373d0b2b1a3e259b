"""Training steps as epochs: the steps of an epoch, and the series of a run over epochs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from framework.core.errors import ConfigError
from framework.tracking.run_dir import read_state, tree_of_run
from framework.tracking.thinning import Curves, Summary, is_long, parts, summary, thinned

Series = Mapping[str, np.ndarray]


def steps_per_epoch(folder: Path, series: Series) -> float | None:
    """The steps of an epoch, as recorded; for older runs, from the first of several validations. None: it is unknown."""
    recorded = read_state(folder).get("steps_per_epoch")
    if recorded:
        return float(recorded)
    try:
        options: Any = tree_of_run(folder).get("trainer")
        every = float(options["validate_every"])
    except (ConfigError, KeyError, TypeError, ValueError):
        return None
    known = (summary(series, name) for name in series if name.startswith("val/"))
    first = next((float(each.first[0]) for each in known if each.count > 1), None)
    return first / every if first is not None and every > 0 else None


def in_epochs(series: Series, folder: Path) -> Series:
    """The series of a run over epochs.

    Raises:
        ConfigError: the run does not record how many steps an epoch has.
    """
    steps = steps_per_epoch(folder, series)
    if steps is None:
        raise ConfigError(f"figure.x: {folder} does not record the steps of an epoch; use x=step")
    return SeriesOverEpochs(series, steps)


class SeriesOverEpochs(Curves):
    """name -> (K, 2) of epoch and value. Rows, whose steps are positions, stay unchanged.

    Args:
        steps: the steps of an epoch.
    """

    def __init__(self, series: Series, steps: float) -> None:
        self.series, self.steps = series, steps
        self.rows: set[str] = getattr(series, "rows", set())

    def __getitem__(self, name: str) -> np.ndarray:
        return self._over(name, self.series[name])

    def _over(self, name: str, a: np.ndarray) -> np.ndarray:
        return a if name in self.rows else a / np.array([self.steps, 1.0])

    def __iter__(self) -> Iterator[str]:
        return iter(self.series)

    def __len__(self) -> int:
        return len(self.series)

    def __contains__(self, name: object) -> bool:
        return name in self.series

    def is_long(self, name: str) -> bool:
        """Whether the points of a series are not in memory."""
        return is_long(self.series, name)

    def parts(self, name: str) -> Iterator[np.ndarray]:
        """A series in pieces."""
        return (self._over(name, a) for a in parts(self.series, name))

    def thinned(self, name: str, most: int, upto: int | None = None) -> np.ndarray:
        """Means of groups of its points."""
        if not self.is_long(name):
            return super().thinned(name, most, upto)
        return self._over(name, thinned(self.series, name, most, upto))

    def summary(self, name: str) -> Summary:
        """What is known of a series."""
        found = summary(self.series, name)
        return found if name in self.rows else found.over(self.steps)
