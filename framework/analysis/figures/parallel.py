"""Parallel coordinates of a sweep or a search: an axis for each swept key, a line for each setting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from framework.analysis import style
from framework.analysis.comparison import SeedGroup, format_value, shortened
from framework.analysis.figures.sweep import SPAN, places

LOG = 10  # the factor above which an axis of positive numbers is logarithmic
TICKS = 5  # of an axis of numbers with more values
EDGE = 0.03  # the height of a tick's line is that of its text


class Axis(NamedTuple):
    """An axis of the figure.

    Attributes:
        name: the key, or the metric.
        heights: of each setting, 0 ... 1; NaN without a value.
        ticks: height -> text.
        log: whether it is logarithmic.
    """

    name: str
    heights: np.ndarray
    ticks: dict[float, str]
    log: bool


def draw(groups: Sequence[SeedGroup], metric: str) -> Any:
    """A line for each setting, averaged over seeds, from its values to the metric; its colour is the metric, the best ones
    are on top. Settings without a value, such as diverged ones, are grey and end at the last key."""
    means = np.array([group.mean(metric, "kept") for group in groups])
    means = np.where(np.isfinite(means), means, np.nan)
    keys = list(groups[0].keys) if groups else []
    if not keys or not np.isfinite(means).any():
        return None
    axes = [axis_of(key, [group.keys[key] for group in groups]) for key in keys]
    wide = bool(np.nanmin(means) > 0 and np.nanmax(means) / np.nanmin(means) > SPAN)
    axes.append(numbers_axis(metric, means, wide))
    fig = style.sheet(max(style.WIDTH, 1.6 + 1.5 * len(axes)), style.HEIGHT)
    ax = fig.subplots()
    heights = np.stack([axis.heights for axis in axes], 1)
    _lines(fig, ax, heights, groups[0].lower_is_better(metric), means, wide, metric)
    for place, axis in enumerate(axes):
        _axis(ax, place, axis)
    ax.set_xticks(range(len(axes)), [shortened(axis.name) for axis in axes], fontsize=style.SMALL)
    ax.tick_params(axis="x", length=0)
    ax.set_yticks([])
    ax.set_xlim(-0.3, len(axes) - 0.7)
    ax.spines[:].set_visible(False)
    return fig


def axis_of(key: str, values: Sequence[str]) -> Axis:
    """The axis of a key: numbers by size, names at equal distances."""
    found = places(values)
    if all(isinstance(place, float) for place in found):
        numbers = np.array(found)
        return numbers_axis(key, numbers, bool(numbers.min() > 0 and numbers.max() / numbers.min() >= LOG))
    known = list(dict.fromkeys(values))
    at = {name: (i + 0.5) / len(known) for i, name in enumerate(known)}
    texts = {at[name]: shortened(format_value(name)) or "-" for name in known}
    return Axis(key, np.array([at[name] for name in values]), texts, False)


def numbers_axis(name: str, values: np.ndarray, log: bool) -> Axis:
    """An axis of numbers, from the smallest to the largest; its ticks are its values, or some between."""
    scaled = np.log10(values) if log else values
    low, high = float(np.nanmin(scaled)), float(np.nanmax(scaled))
    heights = (scaled - low) / (high - low) if high > low else np.where(np.isfinite(scaled), 0.5, np.nan)
    shown = np.unique(scaled[np.isfinite(scaled)])
    if len(shown) > TICKS:
        shown = np.linspace(low, high, TICKS)
    ticks = {float((s - low) / (high - low)) if high > low else 0.5: f"{10**s if log else s:.3g}" for s in shown}
    return Axis(name, heights, ticks, log)


def _lines(fig: Any, ax: Any, heights: np.ndarray, lower: bool, means: np.ndarray, log: bool, metric: str) -> None:
    import matplotlib
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm, Normalize

    low, high = float(np.nanmin(means)), float(np.nanmax(means))
    norm = (LogNorm if log else Normalize)(low, high if high > low else low + 1e-12 + abs(low) * 1e-6)
    colours = matplotlib.colormaps[style.ORDERED if lower else f"{style.ORDERED}_r"]
    finite = np.where(np.isfinite(means), means, np.inf if lower else -np.inf)
    order = np.argsort(-finite if lower else finite, kind="stable")  # the best last, on top
    for place, i in enumerate(order):
        known = bool(np.isfinite(means[i]))
        look = {"color": colours(norm(means[i]))} if known else {"color": style.FAINT, "ls": ":"}
        best = place == len(order) - 1
        ax.plot(heights[i], lw=2 * style.LINE if best else style.LINE, alpha=1.0 if best else 0.7, zorder=1 + place, **look)
    scale = fig.colorbar(ScalarMappable(norm, colours), ax=ax, pad=0.02)
    scale.outline.set_visible(False)
    scale.ax.tick_params(labelsize=style.SMALL)
    scale.set_label(metric, fontsize=style.TEXT)


def _axis(ax: Any, place: int, axis: Axis) -> None:
    front = 10_000  # above all lines
    ax.plot([place, place], [0, 1], color="black", lw=1, zorder=front)
    back = {"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 0.5}
    for height, text in axis.ticks.items():
        ax.plot([place - EDGE, place], [height, height], color="black", lw=1, zorder=front)
        look = {"va": "center", "ha": "right", "fontsize": style.SMALL, "zorder": front, "bbox": back}
        ax.text(place - 1.5 * EDGE, height, text, **look)
