"""The figure of probed activations: dead units, saturated values, spread."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.analysis import style
from framework.analysis.comparison import Series
from framework.analysis.figures.run_view import RunView

KINDS = {"dead": "dead units", "saturated": "saturated values", "std": "standard deviation"}
DEPTH = 3  # with at least this many nodes, they are drawn by depth


def draw(run: RunView) -> Any:
    """A panel for each of dead, saturated, std: by depth at the first and the last sample, or along training for few nodes.
    None without probe samples."""
    found = activations(run.series)
    if not found:
        return None
    deep = max(map(len, found.values())) >= DEPTH
    below = 0.7 * style.room_for([node for nodes in found.values() for node in nodes]) - 0.2 if deep else 0.0
    fig, axes = style.panels(len(found), height=style.HEIGHT + below, bottom=style.BOTTOM + below)
    for ax, (what, nodes) in zip(axes, found.items(), strict=True):
        _panel(ax, what, nodes, run)
    return fig


def activations(found: Series) -> dict[str, Series]:
    """dead, saturated, std -> node -> series, of `activation/<node>/<what>`, nodes in order."""
    split = {name: name.removeprefix("activation/").rpartition("/") for name in found if name.startswith("activation/")}
    panels = {what: {node: found[name] for name, (node, _, w) in split.items() if w == what} for what in KINDS}
    return {what: nodes for what, nodes in panels.items() if nodes}


def _panel(ax: Any, what: str, nodes: Series, run: RunView) -> None:
    if len(nodes) >= DEPTH:
        _by_depth(ax, nodes, run)
    else:
        for number, (node, a) in enumerate(nodes.items()):
            style.line(ax, a, number, node)
    values = np.concatenate([a[:, 1] for a in nodes.values()])
    values = values[np.isfinite(values) & (values > 0)]
    if what != "std":
        ax.set_ylim(-0.03, 1.03)
    elif len(values) and values.max() > 20 * values.min():
        ax.set_yscale("log")
    else:
        ax.set_ylim(bottom=0)
    style.finish(ax, KINDS[what], "" if len(nodes) >= DEPTH else run.clock)


def _by_depth(ax: Any, nodes: Series, run: RunView) -> None:
    for colour, at in zip(style.COLOURS, (0, -1), strict=False):
        places = {float(a[at, 0]) for a in nodes.values()}
        look = {"color": colour, "lw": style.LINE, "ms": style.MARKER, "label": run.named(min(places))}
        ax.plot(range(len(nodes)), [a[at, 1] for a in nodes.values()], "o-", **look)
    style.names(ax.xaxis, list(nodes), rotation=45)
