"""The figure of a search: progress of the best value, and the metric for each key's values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from framework.analysis import style
from framework.analysis.comparison import shortened
from framework.analysis.figures.sweep import SPAN, places

Trial = Mapping[str, str]  # key -> its value, as in an override
PANELS, WORDS = 5, 12  # maximum number of keys shown; maximum number of different words for a panel


def draw(trials: Sequence[Trial], losses: Sequence[float | None], metric: str, sign: int, path: Path) -> None:
    """Write the figure: metric against trial with the best so far as a line; then against each key, later trials darker."""
    values = np.array([np.nan if loss is None else loss for loss in losses])
    if not np.isfinite(values).any():
        return
    keys = [key for key in trials[0] if _shows([trial[key] for trial in trials])][:PANELS]
    fig = style.sheet(1.0 + 3.2 * (1 + len(keys)), 3.4)
    axes = fig.subplots(1, 1 + len(keys), squeeze=False, sharey=True)[0]
    best = sign * np.fmin.accumulate(np.where(np.isfinite(values), sign * values, np.inf))
    axes[0].plot(values, "o", ms=style.MARKER, color=style.COLOURS[0], label="trial")
    so_far = np.where(np.isfinite(best), best, np.nan)
    axes[0].step(range(len(best)), so_far, where="post", color=style.COLOURS[1], lw=style.LINE, label="best so far")
    style.finish(axes[0], "", "trial", y=metric)
    axes[0].xaxis.get_major_locator().set_params(integer=True)
    if keys:
        axes[1].set_title("darker: later trials", fontsize=style.SMALL)
    for ax, key in zip(axes[1:], keys, strict=True):
        _against(ax, [trial[key] for trial in trials], values)
        ax.set_xlabel(key)
    if np.nanmin(values) > 0 and np.nanmax(values) / np.nanmin(values) > SPAN:
        axes[0].set_yscale("log")
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
    style.save(fig, path)


def _shows(words: Sequence[str]) -> bool:
    return all(isinstance(place, float) for place in places(words)) or len(set(words)) <= WORDS


def _against(ax: Any, words: Sequence[str], values: np.ndarray) -> None:
    """Dots, on a logarithmic axis if the numbers span a large factor."""
    x = places([shortened(word) for word in words])
    ax.scatter(x, values, c=range(len(x)), cmap=style.SHARES, vmin=-len(x), s=14)
    numbers = [place for place in x if isinstance(place, float)]
    if numbers and min(numbers) > 0 and max(numbers) / min(numbers) > SPAN:
        ax.set_xscale("log")
