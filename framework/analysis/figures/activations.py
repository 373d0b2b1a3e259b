"""The figure of probed activations: dead units, saturated values, spread."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from framework.analysis import style
from framework.analysis.figures.run_view import RunView
from framework.tracking.thinning import Summary, summary, thinned

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


def activations(found: Iterable[str]) -> dict[str, dict[str, str]]:
    """dead, saturated, std -> node -> metric, of `activation/<node>/<what>`, nodes in order."""
    split = {name: name.removeprefix("activation/").rpartition("/") for name in found if name.startswith("activation/")}
    panels = {what: {node: name for name, (node, _, w) in split.items() if w == what} for what in KINDS}
    return {what: nodes for what, nodes in panels.items() if nodes}


def _panel(ax: Any, what: str, nodes: Mapping[str, str], run: RunView) -> None:
    known = {node: summary(run.series, metric) for node, metric in nodes.items()}
    if len(nodes) >= DEPTH:
        _by_depth(ax, known, run)
    else:
        for number, (node, metric) in enumerate(nodes.items()):
            style.line(ax, thinned(run.series, metric, style.POINTS), number, node)
    highest = max((each.highest[1] for each in known.values() if each.highest is not None), default=0.0)
    if what != "std":
        ax.set_ylim(-0.03, 1.03)
    elif highest > 20 * min(each.least_positive for each in known.values()):
        ax.set_yscale("log")
    else:
        ax.set_ylim(bottom=0)
    style.finish(ax, KINDS[what], "" if len(nodes) >= DEPTH else run.clock)


def _by_depth(ax: Any, nodes: Mapping[str, Summary], run: RunView) -> None:
    ends = [[each.first for each in nodes.values()], [each.last for each in nodes.values()]]
    for colour, rows in zip(style.COLOURS, ends, strict=False):
        places = {float(row[0]) for row in rows}
        look = {"color": colour, "lw": style.LINE, "ms": style.MARKER, "label": run.named(min(places))}
        ax.plot(range(len(nodes)), [row[1] for row in rows], "o-", **look)
    style.names(ax.xaxis, list(nodes), rotation=45)
