"""What the networks of a study say while they train: predictions at common places, and the mean of what they record."""

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
    """A probe: the predictions of a head at common places, after the step.

    Attributes:
        batch: the fields at these places, (1, N, ...) and (1, T, N, ...), on the device.
    """

    head: Head
    batch: Mapping[str, Array]

    def __call__(self, seen: TrainingStep) -> dict[str, Array]:
        """{NAME: (..., G)}, places and outputs in a row."""
        ctx = seen.ctx.but(train=False, batch=self.batch, carry={}, part=0)
        w = seen.ctx.xp.concatenate([seen.after, seen.look[..., seen.arena.P :]], -1)
        values, _ = seen.network.forward(seen.arena.views(w), ctx)
        y = self.head.prediction(values, ctx)
        return {NAME: y.reshape(*y.shape[: len(ctx.replicas)], -1)}


class Collected(Curves):
    """Everything that members tell, and step -> the predictions (R, G) of all of them.

    Args:
        members: R.
    """

    def __init__(self, members: int) -> None:
        super().__init__()
        self.members = members
        self.looks: dict[int, np.ndarray] = {}
        self.lock = threading.Lock()  # slices of a stack train in threads

    def on_probe_row(self, member: int, step: int, metric: str, row: np.ndarray) -> None:
        """Keep the predictions of a member."""
        with self.lock:
            if step not in self.looks:
                self.looks[step] = np.full((self.members, row.size), np.nan, row.dtype)
            self.looks[step][member] = row

    def means(self, members: Sequence[int]) -> np.ndarray:
        """(steps, columns), over those of the members that were still training; as many steps as any of them had."""
        longest = max((self.rows(member) for member in members), key=len)
        total, count = np.zeros(longest.shape), np.zeros((len(longest), 1))
        for member in members:
            rows = self.rows(member)
            total[: len(rows)] += rows
            count[: len(rows)] += 1
        return total / count

    def ends(self, outcomes: Sequence[Any]) -> dict[str, float]:
        """`train/loss`, and `val/loss` where there is one, means over the members at the weights that each kept."""
        val = [outcome.metrics["val/loss"] for outcome in outcomes if "val/loss" in outcome.metrics]
        train = [self.column("train/loss", outcome.member)[outcome.kept_step - 1] for outcome in outcomes]
        return {name: float(np.mean(values)) for name, values in (("train/loss", train), ("val/loss", val)) if values}

    def validation(self, outcomes: Sequence[Any]) -> dict[str, np.ndarray]:
        """`val/loss`, the mean over the members, (K, 2); nothing where there is no validation split. A member that has
        stopped counts with what the weights that it kept have; at the last step all do."""
        kept = {outcome.member: outcome.metrics["val/loss"] for outcome in outcomes if "val/loss" in outcome.metrics}
        own = {member: dict(self.series("val/loss", member).tolist()) for member in kept}
        end = {outcome.member: outcome.step for outcome in outcomes}
        steps = sorted({int(step) for values in own.values() for step in values})
        points = []
        for step in steps:
            there = [own[m].get(step) if step < end[m] and step != steps[-1] else kept[m] for m in kept]
            points.append((step, float(np.mean([value for value in there if value is not None]))))
        return {"val/loss": np.array(points)} if points else {}
