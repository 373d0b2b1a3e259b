"""The figure of a sweep whose metric is a sum: its terms on top of each other, and the measured sum."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from framework.analysis import style
from framework.analysis.comparison import RecordedJob, SeedGroup, format_value, grouped, over_epochs
from framework.config.options import FigureOptions

SERIES_LIMIT = 6  # panels


def draw(jobs: Sequence[RecordedJob], what: FigureOptions, y: Sequence[str], path: Path) -> Path:
    """Write the figure: bars for the values of a swept key, areas along training; a panel for each combination of the other
    swept keys, means over seeds."""
    style.write(lambda: figure(over_epochs(jobs) if what.x == "epoch" else jobs, what, y), what, path)
    return path


def figure(jobs: Sequence[RecordedJob], what: FigureOptions, y: Sequence[str]) -> Any:
    """The figure; the series of the jobs are over what `what.x` says."""
    parts = panels(jobs, what.x)
    fig = style.sheet(1.6 + 4.2 * len(parts), 3.8)
    axes = fig.subplots(1, len(parts), squeeze=False, sharey=True)[0]
    for ax, (title, groups) in zip(axes, parts.items(), strict=True):
        if what.along_training:
            along_training(ax, groups[0], what.stack or (), y, what.clock)
        else:
            by_key(ax, groups, what.stack or (), y, what)
        style.finish(ax, title, ax.get_xlabel(), legend=False)
    axes[0].set_ylabel(", ".join(y))
    handles, labels = axes[0].get_legend_handles_labels()
    fig.legend(handles[::-1], labels[::-1], loc="outside right center", frameon=False, fontsize=style.SMALL)
    return fig


def panels(jobs: Sequence[RecordedJob], x: str) -> dict[str, list[SeedGroup]]:
    """title -> its groups, one for each value of x."""
    groups = grouped(jobs, [x])
    keys = [key for key in groups[0].keys if key != x]
    found: dict[str, list[SeedGroup]] = {}
    for group in groups:
        title = "   ".join(f"{key.rpartition('.')[2]} {format_value(group.keys[key])}" for key in keys)
        found.setdefault(title, []).append(group)
    return dict(list(found.items())[:SERIES_LIMIT])


def by_key(ax: Any, groups: Sequence[SeedGroup], stack: Sequence[str], y: Sequence[str], what: FigureOptions) -> None:
    """A bar for each value of the key."""
    place, floor = np.arange(len(groups)), np.zeros(len(groups))
    for colour, metric in zip(shades(stack), stack, strict=True):
        height = np.array([group.mean(metric, what.at) for group in groups])
        ax.bar(place, height, 0.7, bottom=floor, color=colour, label=last(metric))
        floor = floor + np.nan_to_num(height)
    look = {"color": "black", "lw": style.LINE, "marker": "o", "ms": style.MARKER}
    for metric in y:
        ax.plot(place, [group.mean(metric, what.at) for group in groups], label=last(metric), **look)
    ax.set_xticks(place, [format_value(group.keys[what.x]) for group in groups])
    ax.set_xlabel(what.x)


def along_training(ax: Any, group: SeedGroup, stack: Sequence[str], y: Sequence[str], clock: str) -> None:
    """Areas."""
    curves = [group.curve(metric) for metric in stack]
    found = [curve for curve in curves if curve is not None]
    if found:
        ax.stackplot(found[0][0], [curve[1] for curve in found], colors=shades(stack), labels=[last(m) for m in stack])
    for metric in y:
        curve = group.curve(metric)
        if curve is not None:
            dot = {"marker": "o", "ms": style.MARKER} if len(curve[0]) == 1 else {}
            ax.plot(curve[0], curve[1], color="black", lw=style.LINE, label=last(metric), **dot)
            ax.set_ylim(0, 1.3 * float(np.quantile(curve[1], 0.9)))
    ax.set_xlabel(clock)


def shades(stack: Sequence[str]) -> list[str]:
    """A colour for each term; noise is grey."""
    free = iter(style.COLOURS[i] for i in (4, 0, 2, 3, 1, 5))
    return [style.NOISE if last(metric) == "noise" else next(free) for metric in stack]


def last(metric: str) -> str:
    """The short name of a metric, `bias2` for `bias_variance/bias2`."""
    return metric.rpartition("/")[2]
