"""What a study's trainings tell while they go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from framework import Callback


class Curves(Callback):
    """A callback that keeps everything: loss and norms of every step, and what was measured."""

    def __init__(self) -> None:
        self.columns: tuple[str, ...] = ()
        self.blocks: dict[int, list[np.ndarray]] = {}
        self.values: dict[int, list[tuple[int, dict[str, float]]]] = {}

    def on_steps(self, member: int, first: int, columns: Sequence[str], rows: np.ndarray) -> None:
        """Keep the rows of a member."""
        self.columns = tuple(columns)
        self.blocks.setdefault(member, []).append(rows.copy())

    def on_metrics(self, member: int, step: int, values: Mapping[str, float]) -> None:
        """Keep what was measured of a member."""
        self.values.setdefault(member, []).append((step, dict(values)))

    def rows(self, member: int = 0) -> np.ndarray:
        """(steps, columns) of a member, up to the step at which it ended."""
        return np.concatenate(self.blocks[member])

    def column(self, name: str, member: int = 0) -> np.ndarray:
        """One of them."""
        return self.rows(member)[:, self.columns.index(name)]

    def names(self, member: int = 0) -> list[str]:
        """What was measured of a member."""
        return list(dict.fromkeys(name for _, values in self.values.get(member, []) for name in values))

    def series(self, name: str, member: int = 0) -> np.ndarray:
        """(K, 2) of step and what was measured under that name."""
        found = [(step, values[name]) for step, values in self.values.get(member, []) if name in values]
        return np.array(found).reshape(-1, 2)
