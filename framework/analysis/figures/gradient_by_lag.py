"""The figure of gradients by time lag, which shows vanishing gradients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from framework.analysis import style
from framework.analysis.figures.run_view import RunView

KIND = "gradient_by_lag/"
FLOOR = 1e-12  # of the largest value: smaller values are rounding errors


def rows(lines: Iterable[Mapping[str, Any]]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """layer -> steps (K,) and rows (K, L) of a run's gradients by lag, without rows whose length differs from the first."""
    found: dict[str, tuple[list[int], list[list[float]]]] = {}
    for line in lines:
        for name, value in line.items():
            if name.startswith(KIND):
                steps, kept = found.setdefault(name.removeprefix(KIND), ([], []))
                if not kept or len(value) == len(kept[0]):
                    steps.append(int(line["step"]))
                    kept.append(value)
    return {layer: (np.array(steps), np.array(kept, float)) for layer, (steps, kept) in found.items()}


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
