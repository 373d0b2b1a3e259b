"""Curves of many settings in one panel: the best, the median and the worst, and a band that holds four fifths of all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from framework.analysis import style
from framework.analysis.comparison import SeedGroup

SHARE = (10, 90)  # percent of the settings below the band's edges
POINTS = 100  # per line


def ordered(groups: Sequence[SeedGroup], metric: str, at: str) -> list[SeedGroup]:
    """The settings by the value of a metric, the best first, without those that diverged."""
    sign = 1 if groups[0].lower_is_better(metric) else -1
    scores = np.array([sign * group.mean(metric, at) for group in groups])
    return [groups[i] for i in np.argsort(scores, kind="stable") if np.isfinite(scores[i])]


def draw(ax: Any, groups: Sequence[SeedGroup], metric: str, names: Sequence[str], lost: int) -> list[np.ndarray]:
    """Draw a metric of the settings that are first, in the middle and last; returns the values, for the scale of the axis.

    Args:
        groups: the settings, in order.
        names: of the first, the middle and the last one.
        lost: the number of settings that diverged.
    """
    found = [curve[:2] for group in groups if (curve := group.curve(metric, POINTS)) is not None]
    if not found:
        return []
    steps, low, high = band(found)
    share = f"{SHARE[1] - SHARE[0]} % of {len(groups)} settings"
    ax.fill_between(steps, low, high, color=style.FAINT, alpha=style.BAND, lw=0, label=share)
    seen = [np.concatenate([low, high])]
    for label, group, colour in zip(names, three(groups), (2, 0, 1), strict=True):
        curve = group.curve(metric, POINTS)
        if curve is not None:
            ax.plot(curve[0], curve[1], color=style.COLOURS[colour], lw=style.LINE, label=label)
            seen.append(curve[1])
    if lost:
        ax.plot([], [], " ", label=f"{lost} diverged, not shown")
    return seen


def three(groups: Sequence[SeedGroup]) -> tuple[SeedGroup, SeedGroup, SeedGroup]:
    """The best, the median and the worst of the settings in order."""
    return groups[0], groups[len(groups) // 2], groups[-1]


def band(curves: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Steps, and the band's edges there: percentiles of the curves, each between its first and last step."""
    steps = np.unique(np.concatenate([step for step, _ in curves]))
    steps = steps[np.linspace(0, len(steps) - 1, min(POINTS, len(steps))).astype(int)]
    values = np.array([np.interp(steps, step, mean, left=np.nan, right=np.nan) for step, mean in curves])
    low, high = np.nanpercentile(values, SHARE, axis=0)
    return steps, low, high
