"""What figures are drawn of: a run's folder, read once for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from framework.comparison import series
from framework.data import Data
from framework.model import Model
from framework.recording import read_lines


@dataclass(frozen=True)
class Subject:
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
    def lines(self) -> list[dict[str, Any]]:
        """Of `metrics.jsonl`."""
        path = self.folder / "metrics.jsonl"
        return read_lines(path) if path.exists() else []

    @cached_property
    def series(self) -> dict[str, np.ndarray]:
        """Metric -> (K, 2) of step and value."""
        return series(self.lines)

    def under(self, kind: str) -> dict[str, np.ndarray]:
        """The series `kind/<name>` by name."""
        return {name.removeprefix(kind): a for name, a in self.series.items() if name.startswith(kind)}
