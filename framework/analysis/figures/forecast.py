"""The figure of a forecast: the end of a series, and its continuation."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.analysis import style

SHOWN = 4  # the part of the series that is drawn, in lengths of the forecast
LEAST = 50  # steps of it


def draw(history: np.ndarray, forecasts: np.ndarray, column: str) -> Any:
    """The end of a series (n,), and its forecasts (seeds, steps): of several seeds the mean, and one standard deviation
    around it. Step 1 is the first one after the series."""
    steps = forecasts.shape[1]
    known = history[-max(LEAST, SHOWN * steps) :]
    fig, (ax,) = style.panels()
    ax.plot(np.arange(1 - len(known), 1), known, color=style.COLOURS[0], lw=style.LINE, label="series")
    at, mean, std = np.arange(steps + 1), forecasts.mean(0), forecasts.std(0)
    joined, band = np.concatenate([known[-1:], mean]), np.concatenate([[0.0], std])
    several = f"mean of {len(forecasts)} seeds" if len(forecasts) > 1 else "forecast"
    ax.plot(at, joined, color=style.COLOURS[1], lw=style.LINE, label=several)
    if len(forecasts) > 1:
        edges = joined - band, joined + band
        ax.fill_between(at, *edges, color=style.COLOURS[1], alpha=style.BAND, lw=0, label="± standard deviation")
    ax.axvline(0, color=style.FAINT, lw=style.LINE / 2)
    ax.set_ylabel(column, fontsize=style.TEXT)
    style.finish(ax, f"the next {steps} steps" if steps > 1 else "the next step", "steps after the end of the series")
    return fig
