"""`Callback`, which receives the values of a training while it runs, and `TrainingResult`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from framework.core.types import Params

Status = Literal["finished", "stopped_early", "pruned", "diverged", "killed"]


Snapshot = tuple[Mapping[str, np.ndarray], Mapping[str, Any]]  # arrays, and plain values that JSON can hold


Save = Callable[[Mapping[str, np.ndarray], Mapping[str, Any]], None]


@dataclass(frozen=True)
class StartedRun:
    """A recorded run that a callback hears of.

    Attributes:
        name: as the tracking UI shows it.
        folder: where it is recorded.
        config: the recorded configuration, as plain values.
        steps: updates, if it does not stop early.
    """

    name: str
    folder: Path
    config: Mapping[str, Any]
    steps: int


class Callback:
    """Called while a training runs; subclass it and override what you need.

    `member` is the index in the list of learners that was given to `train`. The methods do nothing by default.
    """

    def on_start(self, runs: Sequence[StartedRun]) -> None:
        """Training starts; one run for each member. Not called by `framework.train`, which records no runs. Where a stack of
        a sweep has failed, it is called again for each part that is trained again: `member` counts in these runs then."""

    def on_steps(self, member: int, first: int, columns: Sequence[str], rows: np.ndarray) -> None:
        """Values of consecutive training steps, counted from 1: rows (K, len(columns)), row 0 is step `first`."""

    def on_probe(self, member: int, steps: np.ndarray, columns: Sequence[str], rows: np.ndarray) -> None:
        """Readings of probes at some of the steps that `on_steps` has just reported.

        `steps` (K,) are their numbers, rows is (K, len(columns)). Not called where there are no probes."""

    def on_probe_row(self, member: int, step: int, metric: str, row: np.ndarray) -> None:
        """One row (L,) of probe values at a step, for example one value per lag."""

    def on_metrics(self, member: int, step: int, values: Mapping[str, float]) -> None:
        """Metrics after a step: val/loss, train/accuracy, test/loss ..."""

    def on_end(self, outcome: TrainingResult) -> None:
        """The training of a member has ended. Its test metrics follow, in `on_metrics`."""

    def on_finish(self) -> None:
        """Training is over, also where it failed. Called once for each `on_start`."""


@dataclass
class TrainingResult:
    """The result of the training of one member.

    Attributes:
        status: finished, stopped_early, pruned (by `trainer.prune`), diverged or killed (by a signal); `reason` gives the
            details.
        step, epoch: of the last update, and the epochs started.
        best_epoch, best: of the best validation, and the monitored value there.
        weights: node -> tensor -> host array.
        kept: which weights these are: of the best validation (or, before any, the initial ones), or of the last step.
        kept_epoch, kept_step: the epoch and the step that they are of.
        tier: how the steps ran.
        metrics: the values at these weights, with test/... at the end; NaN where the last weights are those
            of a training that diverged.
    """

    member: int
    status: Status
    reason: str
    step: int
    epoch: int
    weights: dict[str, Params]
    best_epoch: int = 0
    best: float = math.nan
    metrics: dict[str, float] = field(default_factory=dict)
    kept: Literal["best", "last"] = "last"
    kept_epoch: int = 0
    kept_step: int = 0
    tier: Literal["array", "compiled", "cuda"] = "array"

    @property
    def kept_text(self) -> str:
        """`best epoch 7 of 12, restored`; empty where the last weights are kept."""
        if self.kept == "last":
            return ""
        if not self.kept_epoch:
            return "initial weights restored: no validation had a finite value"
        return f"best epoch {self.kept_epoch} of {self.epoch}" + (", restored" if self.kept_step != self.step else "")


MEASURED = ("train/", "val/", "test/", "grad_norm/")  # what training itself measures; probes may not use such names
