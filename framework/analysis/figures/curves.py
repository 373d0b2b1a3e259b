"""The figures of loss and gradient norms along training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from framework.analysis import style
from framework.analysis.figures.run_view import RunView
from framework.tracking.thinning import Summary, summary, thinned


def loss(run: RunView) -> Any:
    """Training and validation loss, and those of naive forecasts on the validation split as level lines; None if neither was
    recorded."""
    losses = {name: name for name in run.series if name in ("train/loss", "val/loss")}
    naive = [name for name in run.series if name.startswith("baseline/") and name.endswith("/val/loss")]
    known = [summary(run.series, name) for name in losses]
    ends = [[each.first[0], each.last[0]] for each in known]
    level = {
        name.split("/")[1].replace("_", " "): np.stack([ends[0], np.full(2, summary(run.series, name).last[1])], -1)
        for name in naive
        if ends
    }
    return _lines(run, losses, level, "loss")


def norms(run: RunView) -> Any:
    """The gradient norm of every layer, and the total norm."""
    return _lines(run, run.named_under("grad_norm/"), {}, "gradient norm")


def _lines(run: RunView, metrics: Mapping[str, str], level: Mapping[str, np.ndarray], title: str) -> Any:
    """A line for each label -> metric, and for each label -> array."""
    if not metrics and not level:
        return None
    fig, (ax,) = style.panels()
    lines = {label: thinned(run.series, name, style.POINTS) for label, name in metrics.items()} | dict(level)
    for number, (label, a) in enumerate(lines.items()):
        style.line(ax, a, number, label)
    known = [summary(run.series, name) for name in metrics.values()] + [Summary.of(a) for a in level.values()]
    if all(each.positive for each in known):
        ax.set_yscale("log")
    style.finish(ax, title, run.clock, y=title)
    return fig
