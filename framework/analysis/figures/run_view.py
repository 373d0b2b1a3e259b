"""`RunView`: a run's folder, read once for all figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from framework.data.dataset import Data
from framework.inference.model import Model
from framework.tracking.metrics_file import LazySeries


@dataclass(frozen=True)
class RunView:
    """A run's folder, model and data.

    Attributes:
        folder: the folder of the run.
        model: its trained model, if it finished.
        data: its training data, scaled as for the network.
    """

    folder: Path
    model: Model | None = None
    data: Data | None = None

    @cached_property
    def series(self) -> Mapping[str, np.ndarray]:
        """Metric -> (K, 2) of step and value."""
        return self.recorded or {}

    @cached_property
    def recorded(self) -> LazySeries | None:
        """The series in `metrics.jsonl`, if it exists."""
        path = self.folder / "metrics.jsonl"
        return LazySeries(path) if path.exists() else None

    def under(self, kind: str) -> dict[str, np.ndarray]:
        """The series `kind/<name>` by name."""
        return {name.removeprefix(kind): a for name, a in self.series.items() if name.startswith(kind)}
