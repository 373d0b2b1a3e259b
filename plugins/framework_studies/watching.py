"""What the networks of a study say while they train: predictions at common places, and the mean of what they record."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from framework import Array, Head, Seen

NAME = "study/prediction"


@dataclass(frozen=True)
class Predictions:
    """A probe: the predictions of a head at common places, after the step.

    Attributes:
        batch: the fields at these places, (1, N, ...) and (1, T, N, ...), on the device.
    """

    head: Head
    batch: Mapping[str, Array]

    def __call__(self, seen: Seen) -> dict[str, Array]:
        """{NAME: (..., G)}, places and outputs in a row."""
        ctx = seen.ctx.but(train=False, batch=self.batch, carry={}, part=0)
        w = seen.ctx.xp.concatenate([seen.after, seen.look[..., seen.arena.P :]], -1)
        values, _ = seen.network.forward(seen.arena.views(w), ctx)
        y = self.head.prediction(values, ctx)
        return {NAME: y.reshape(*y.shape[: len(ctx.replicas)], -1)}


class Collected:
    """An observer: step -> the predictions (R, G) of all members, and the mean over members of each training step's row.

    Args:
        members: R.
        steps: of a training, at most.
    """

    def __init__(self, members: int, steps: int) -> None:
        self.members, self.total = members, steps
        self.looks: dict[int, np.ndarray] = {}
        self.columns: tuple[str, ...] = ()
        self.sums: Any = None
        self.count = np.zeros(steps)
        self.validations: dict[int, list[float]] = {}
        self.lock = threading.Lock()  # slices of a stack train in threads

    def steps(self, member: int, first: int, columns: Sequence[str], rows: np.ndarray) -> None:
        """Sum up the rows of a member."""
        with self.lock:
            if self.sums is None:
                self.columns, self.sums = tuple(columns), np.zeros((self.total, len(columns)))
            self.sums[first - 1 : first - 1 + len(rows)] += rows
            self.count[first - 1 : first - 1 + len(rows)] += 1

    def probed(self, member: int, steps: np.ndarray, columns: Sequence[str], rows: np.ndarray) -> None:
        """Members have no probes of one number."""

    def probed_row(self, member: int, step: int, metric: str, row: np.ndarray) -> None:
        """Keep the predictions of a member."""
        with self.lock:
            if step not in self.looks:
                self.looks[step] = np.full((self.members, row.size), np.nan, row.dtype)
            self.looks[step][member] = row

    def measured(self, member: int, step: int, values: Mapping[str, float]) -> None:
        """Keep the validation loss."""
        if "val/loss" in values:
            with self.lock:
                self.validations.setdefault(step, []).append(values["val/loss"])

    def ended(self, outcome: Any) -> None:
        """Its weights come back with the outcome."""

    def means(self) -> np.ndarray:
        """(steps, columns), over the members that were still training; as many steps as any of them had."""
        had = self.count > 0
        return np.asarray(self.sums[had] / self.count[had, None])

    def validation(self) -> dict[str, np.ndarray]:
        """`val/loss`, the mean over members, (K, 2); nothing where there is no validation split."""
        points = [(step, float(np.mean(values))) for step, values in sorted(self.validations.items())]
        return {"val/loss": np.array(points)} if points else {}
