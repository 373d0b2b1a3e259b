"""What a training reports while it runs, and what comes of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np

from framework.core.types import Params

Status = Literal["finished", "stopped_early", "diverged"]


Snapshot = tuple[Mapping[str, np.ndarray], Mapping[str, Any]]  # arrays, and plain values that JSON can hold


Save = Callable[[Mapping[str, np.ndarray], Mapping[str, Any]], None]


class Observer(Protocol):
    """Who wants to know. `member` is the place in the list of learners that training began with."""

    def steps(self, member: int, first: int, columns: Sequence[str], rows: np.ndarray) -> None:
        """Numbers of consecutive training steps, counted from 1: rows (K, len(columns)), row 0 is step `first`."""

    def probed(self, member: int, steps: np.ndarray, columns: Sequence[str], rows: np.ndarray) -> None:
        """What probes measured at some of the training steps that `steps` has just told: rows (K, len(columns)) of the K
        steps of those numbers. Called only where there are probes."""

    def probed_row(self, member: int, step: int, metric: str, row: np.ndarray) -> None:
        """A row (L,) that a probe measured at a step: a number per lag, for example."""

    def measured(self, member: int, step: int, values: Mapping[str, float]) -> None:
        """Numbers measured after a step: val/loss, train/accuracy, test/loss ..."""

    def ended(self, outcome: Outcome) -> None:
        """A member has stopped; its test is still to come."""


@dataclass
class Outcome:
    """How the training of one member ended.

    Attributes:
        status: finished, stopped_early or diverged; reason says more.
        step, epoch: of the last update, and the epochs started.
        best_epoch, best: of the best validation, and the monitored value there.
        weights: node -> tensor -> host array.
        kept: which weights these are: of the best validation (or, before any, the initial ones), or of the last step.
        kept_epoch, kept_step: the epoch and the step that they are of.
        metrics: what was measured at these weights, with test/... at the end; not a number where the last weights are those
            of a training that diverged.
    """

    member: int
    status: Literal["finished", "stopped_early", "diverged"]
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

    @property
    def kept_words(self) -> str:
        """`best epoch 7 of 12, restored`; empty where the last weights are kept."""
        if self.kept == "last":
            return ""
        if not self.kept_epoch:
            return "initial weights restored: no validation had a finite value"
        return f"best epoch {self.kept_epoch} of {self.epoch}" + (", restored" if self.kept_step != self.step else "")


MEASURED = ("train/", "val/", "test/", "grad_norm/")  # what training itself measures; such names are not for probes
