"""Collects the predictions of a study's networks at common points, and the means of their metrics."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from framework import Array, Head, TrainingStep
from framework_studies._curves import Curves

NAME = "study/prediction"


@dataclass(frozen=True)
class Predictions:
    """A probe: the predictions of a head at common points, after the step.

    Attributes:
        batch: the fields at these points, (1, N, ...) and (1, T, N, ...), on the device.
    """

    head: Head
    batch: Mapping[str, Array]

    def __call__(self, seen: TrainingStep) -> dict[str, Array]:
        """{NAME: (..., G)}, points and outputs flattened."""
        ctx = seen.ctx.but(train=False, batch=self.batch, carry={}, part=0)
        w = seen.ctx.xp.concatenate([seen.after, seen.look[..., seen.arena.P :]], -1)
        values, _ = seen.network.forward(seen.arena.views(w), ctx)
        y = self.head.prediction(values, ctx)
        return {NAME: y.reshape(*y.shape[: len(ctx.replicas)], -1)}


class Collected(Curves):
    """The metrics of all members, and step -> the predictions (R, G) of all members.

    Args:
        members: R.
    """

    def __init__(self, members: int) -> None:
        super().__init__()
        self.members = members
        self.looks: dict[int, np.ndarray] = {}
        self.lock = threading.Lock()  # slices of a stack train in threads

    def on_probe_row(self, member: int, step: int, metric: str, row: np.ndarray) -> None:
        """Save the predictions of a member."""
        with self.lock:
            if step not in self.looks:
                self.looks[step] = np.full((self.members, row.size), np.nan, row.dtype)
            self.looks[step][member] = row

    def means(self, members: Sequence[int]) -> np.ndarray:
        """Means (steps, columns) over the members still training at each step, up to the longest training."""
        longest = max((self.rows(member) for member in members), key=len)
        total, count = np.zeros(longest.shape), np.zeros((len(longest), 1))
        for member in members:
            rows = self.rows(member)
            total[: len(rows)] += rows
            count[: len(rows)] += 1
        return total / count

    def ends(self, outcomes: Sequence[Any]) -> dict[str, float]:
        """`train/loss`, and `val/loss` if present, as means over the members at their saved weights."""
        val = [outcome.metrics["val/loss"] for outcome in outcomes if "val/loss" in outcome.metrics]
        train = [self.column("train/loss", outcome.member)[outcome.kept_step - 1] for outcome in outcomes]
        return {name: float(np.mean(values)) for name, values in (("train/loss", train), ("val/loss", val)) if values}

    def validation(self, outcomes: Sequence[Any]) -> dict[str, np.ndarray]:
        """`val/loss`, the mean over the members, (K, 2); empty without a validation split. A member that has
        stopped counts with the value at its saved weights; at the last step all do."""
        kept = {outcome.member: outcome.metrics["val/loss"] for outcome in outcomes if "val/loss" in outcome.metrics}
        own = {member: dict(self.series("val/loss", member).tolist()) for member in kept}
        end = {outcome.member: outcome.step for outcome in outcomes}
        steps = sorted({int(step) for values in own.values() for step in values})
        points = []
        for step in steps:
            there = [own[m].get(step) if step < end[m] and step != steps[-1] else kept[m] for m in kept]
            points.append((step, float(np.mean([value for value in there if value is not None]))))
        return {"val/loss": np.array(points)} if points else {}
