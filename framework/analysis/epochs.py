"""Training steps as epochs: the steps of an epoch, and the series of a run over epochs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from framework.core.errors import ConfigError
from framework.tracking.run_dir import read_state, tree_of_run

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
    validations = [a[:, 0] for name, a in series.items() if name.startswith("val/") and len(a) > 1]
    return float(validations[0][0]) / every if validations and every > 0 else None


def in_epochs(series: Series, folder: Path) -> Series:
    """The series of a run over epochs.

    Raises:
        ConfigError: the run does not record how many steps an epoch has.
    """
    steps = steps_per_epoch(folder, series)
    if steps is None:
        raise ConfigError(f"figure.x: {folder} does not record the steps of an epoch; use x=step")
    return SeriesOverEpochs(series, steps)


class SeriesOverEpochs(Mapping[str, np.ndarray]):
    """name -> (K, 2) of epoch and value. Rows, whose steps are positions, stay unchanged.

    Args:
        steps: the steps of an epoch.
    """

    def __init__(self, series: Series, steps: float) -> None:
        self.series, self.steps = series, steps
        self.rows: set[str] = getattr(series, "rows", set())

    def __getitem__(self, name: str) -> np.ndarray:
        a = self.series[name]
        return a if name in self.rows else a / np.array([self.steps, 1.0])

    def __iter__(self) -> Iterator[str]:
        return iter(self.series)

    def __len__(self) -> int:
        return len(self.series)
