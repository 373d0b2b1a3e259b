"""What figures are drawn of: a run's folder, read once for all of them."""

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
    """
    Attributes:
        folder: the run's own.
        model: what it trained, where it came to an end.
        data: what it was trained on, as the network sees it.
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
        """What `metrics.jsonl` holds, if there is one."""
        path = self.folder / "metrics.jsonl"
        return LazySeries(path) if path.exists() else None

    def under(self, kind: str) -> dict[str, np.ndarray]:
        """The series `kind/<name>` by name."""
        return {name.removeprefix(kind): a for name, a in self.series.items() if name.startswith(kind)}
