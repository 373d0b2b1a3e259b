"""Collects the metrics of a study's trainings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from framework import Callback


class Curves(Callback):
    """A callback that collects loss and norms of every step, and all metrics."""

    def __init__(self) -> None:
        self.columns: tuple[str, ...] = ()
        self.blocks: dict[int, list[np.ndarray]] = {}
        self.values: dict[int, list[tuple[int, dict[str, float]]]] = {}

    def on_steps(self, member: int, first: int, columns: Sequence[str], rows: np.ndarray) -> None:
        """Save the rows of a member."""
        self.columns = tuple(columns)
        self.blocks.setdefault(member, []).append(rows.copy())

    def on_metrics(self, member: int, step: int, values: Mapping[str, float]) -> None:
        """Save the metrics of a member."""
        self.values.setdefault(member, []).append((step, dict(values)))

    def rows(self, member: int = 0) -> np.ndarray:
        """(steps, columns) of a member, up to the step at which it ended."""
        return np.concatenate(self.blocks[member])

    def column(self, name: str, member: int = 0) -> np.ndarray:
        """A column of a member's rows."""
        return self.rows(member)[:, self.columns.index(name)]

    def names(self, member: int = 0) -> list[str]:
        """The names of a member's metrics."""
        return list(dict.fromkeys(name for _, values in self.values.get(member, []) for name in values))

    def series(self, name: str, member: int = 0) -> np.ndarray:
        """A metric of a member, (K, 2) of step and value."""
        found = [(step, values[name]) for step, values in self.values.get(member, []) if name in values]
        return np.array(found).reshape(-1, 2)
