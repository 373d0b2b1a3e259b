"""The figure of gradients by time lag, which shows vanishing gradients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from framework.analysis import style
from framework.analysis.figures.run_view import RunView

KIND = "gradient_by_lag/"
MOST = 1000  # rows that are drawn
FLOOR = 1e-12  # of the largest value: smaller values are rounding errors


def rows(lines: Iterable[Mapping[str, Any]]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """layer -> steps (K,) and rows (K, L) of a run's gradients by lag, without rows whose length differs from the first. Of
    more rows than a figure has columns of pixels, every second one, every fourth ..., and the last one."""
    found: dict[str, Rows] = {}
    for line in lines:
        for name, value in line.items():
            if name.startswith(KIND):
                found.setdefault(name.removeprefix(KIND), Rows()).add(int(line["step"]), value)
    return {layer: rows.result() for layer, rows in found.items()}


class Rows:
    """The rows of a layer, at most about `MOST` of them."""

    def __init__(self) -> None:
        self.kept: list[tuple[int, np.ndarray]] = []
        self.every, self.seen = 1, 0
        self.last: tuple[int, np.ndarray] | None = None

    def add(self, step: int, row: Sequence[float]) -> None:
        """The next row."""
        if self.last is not None and len(row) != len(self.last[1]):
            return
        self.last = step, np.array(row, float)
        if self.seen % self.every == 0:
            self.kept.append(self.last)
        self.seen += 1
        if len(self.kept) > MOST:
            self.kept, self.every = self.kept[::2], 2 * self.every

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        """Steps (K,) and rows (K, L)."""
        late = [] if self.last is None or self.kept[-1] is self.last else [self.last]
        steps, rows = zip(*self.kept, *late, strict=True)
        return np.array(steps), np.stack(rows)


def draw(run: RunView) -> Any:
    """Two panels: the gradient against the lag, at the first and last sample, of every layer; and, for the first layer, at
    all lags along training. None without probe samples."""
    if not run.recorded or not run.recorded.rows:
        return None
    found = rows(run.recorded.others)
    fig, (ax, heat) = style.panels(2, width=8.4)
    for colour, (layer, (steps, values)) in zip(style.COLOURS, found.items(), strict=False):
        look = {"color": colour, "lw": style.LINE, "marker": "o", "ms": style.MARKER}
        for at, dashes in ((0, "--"), (-1, "-")):
            ax.plot(above_rounding(values)[at], dashes, label=f"{layer}, {run.named(run.at(steps)[at])}", **look)
    ax.set_yscale("log")
    style.finish(ax, "gradient by lag", "lag (steps back from the last loss)", y="gradient norm")
    layer, (steps, values) = next(iter(found.items()))
    logs = style.logs(above_rounding(values)).T[::-1]
    edges = (-0.5, len(steps) - 0.5, -0.5, len(logs) - 0.5)
    style.heat(fig, heat, logs, edges, f"{layer}: log10, along training", run.clock)
    ticks = np.linspace(0, len(steps) - 1, min(5, len(steps))).round().astype(int)
    heat.set_xticks(ticks, [f"{place:.4g}" if run.epochs else str(place) for place in run.at(steps[ticks])])
    heat.set_ylabel("lag", fontsize=style.TEXT)
    for axis in (ax.xaxis, heat.yaxis):
        axis.get_major_locator().set_params(integer=True)
    return fig


def above_rounding(values: np.ndarray) -> np.ndarray:
    """The values, with NaN where only rounding errors are left."""
    finite = values[np.isfinite(values)]
    return np.where(values > finite.max(initial=0.0) * FLOOR, values, np.nan)
