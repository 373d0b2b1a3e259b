"""`RunView`: a run's folder, read once for all figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from framework.analysis.epochs import in_epochs, steps_per_epoch
from framework.config.options import CLOCKS
from framework.data.dataset import Data
from framework.data.scaling import AS_SCALED, Scale
from framework.inference.model import Model
from framework.tracking.metrics_file import LazySeries


@dataclass(frozen=True)
class RunView:
    """A run's folder, model and data.

    Attributes:
        folder: the folder of the run.
        model: its trained model, if it finished.
        data: its training data, scaled as for the network.
        scale: that scale, to draw values in their own unit.
        epochs: draw over epochs instead of training steps.
    """

    folder: Path
    model: Model | None = None
    data: Data | None = None
    scale: Scale = AS_SCALED
    epochs: bool = False

    @cached_property
    def series(self) -> Mapping[str, np.ndarray]:
        """Metric -> (K, 2) of step and value; with `epochs`, of epoch and value."""
        found: Mapping[str, np.ndarray] = self.recorded or {}
        return in_epochs(found, self.folder) if self.epochs and found else found

    @property
    def clock(self) -> str:
        """The name of the axis along training."""
        return CLOCKS["epoch" if self.epochs else "step"]

    def at(self, steps: np.ndarray) -> np.ndarray:
        """Training steps on that axis."""
        return steps / (steps_per_epoch(self.folder, self.recorded or {}) or np.nan) if self.epochs else steps

    def named(self, place: float) -> str:
        """`step 100`, or `epoch 2.5`: a place on that axis."""
        return f"epoch {place:.4g}" if self.epochs else f"step {place:.0f}"

    @cached_property
    def recorded(self) -> LazySeries | None:
        """The series in `metrics.jsonl`, if it exists."""
        path = self.folder / "metrics.jsonl"
        return LazySeries(path) if path.exists() else None

    def named_under(self, kind: str) -> dict[str, str]:
        """`kind/<name>` by name, without its points."""
        return {name.removeprefix(kind): name for name in self.series if name.startswith(kind)}

    def under(self, kind: str) -> dict[str, np.ndarray]:
        """The series `kind/<name>` by name."""
        return {name: self.series[metric] for name, metric in self.named_under(kind).items()}
