"""The figure of gradient flow: the gradient norm of each layer at each step."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.analysis import style
from framework.analysis.figures.run_view import RunView
from framework.tracking.thinning import summary, thinned

COLUMNS = 150


def draw(run: RunView) -> Any:
    """log10 of the gradient norm, layer x step, the first layer on top; None for fewer than two layers."""
    norms = {name: metric for name, metric in run.named_under("grad_norm/").items() if name != "total"}
    if len(norms) < 2:
        return None
    steps = summary(run.series, next(iter(norms.values())))
    values = np.stack([thinned(run.series, metric, COLUMNS)[:, 1] for metric in norms.values()])
    fig, (ax,) = style.panels(left=style.room_for(list(norms)), height=min(6.0, 1.6 + 0.35 * max(4, len(norms))))
    half = float(run.at(np.array(0.5)))
    edges = (steps.first[0] - half, steps.last[0] + half, len(norms) - 0.5, -0.5)
    style.heat(fig, ax, style.logs(values), edges, "gradient flow: gradient norm (log10)", run.clock)
    style.names(ax.yaxis, list(norms))
    return fig
