"""The figures of loss and gradient norms along training."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.analysis import style
from framework.analysis.figures.run_view import RunView


def loss(run: RunView) -> Any:
    """Training and validation loss, and those of naive forecasts on the validation split as level lines; None if neither was
    recorded."""
    losses = {name: a for name, a in run.series.items() if name in ("train/loss", "val/loss")}
    naive = {name: a for name, a in run.series.items() if name.startswith("baseline/") and name.endswith("/val/loss")}
    ends = [a[[0, -1], 0] for a in losses.values()]
    level = {
        name.split("/")[1].replace("_", " "): np.stack([ends[0], np.full(2, a[-1, 1])], -1)
        for name, a in naive.items()
        if ends
    }
    return _lines(losses | level, "loss", run.clock)


def norms(run: RunView) -> Any:
    """The gradient norm of every layer, and the total norm."""
    return _lines(run.under("grad_norm/"), "gradient norm", run.clock)


def _lines(found: dict[str, np.ndarray], title: str, clock: str) -> Any:
    if not found:
        return None
    fig, (ax,) = style.panels()
    for number, (name, a) in enumerate(found.items()):
        style.line(ax, a, number, name)
    if all((a[np.isfinite(a[:, 1]), 1] > 0).all() for a in found.values()):
        ax.set_yscale("log")
    style.finish(ax, title, clock, y=title)
    return fig
