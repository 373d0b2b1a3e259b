"""The figures of a run, drawn from its `metrics.jsonl`: loss and metrics, the gradient norm of every layer, and what probes
measured of activations. From its weights: what the first layer looks for in an image."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from framework import lag_figure
from framework.comparison import Series, series
from framework.model import ABOUT, WEIGHTS
from framework.recording import read_lines

# Okabe and Ito's colours, which colour-blind readers tell apart too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
POINTS = 400  # a line is drawn through the means of at most so many groups of steps
ACTIVATIONS = {"dead": "dead units", "saturated": "saturated values", "std": "standard deviation"}
DEPTH = 3  # from so many nodes on, activations are drawn by depth
FILTERS = 32  # so many are shown


def draw(folder: Path) -> list[Path]:
    """Write `loss.png`, `gradient_norms.png`, where probes looked `activations.png` and `gradient_by_lag.png`, and where the
    first layer reads images `filters.png` into `figures/`; return their paths."""
    lines = read_lines(folder / "metrics.jsonl")
    found = series(lines)
    to = folder / "figures"
    to.mkdir(exist_ok=True)
    losses = {name: a for name, a in found.items() if name.endswith("/loss") and not name.startswith("test/")}
    norms = {name.removeprefix("grad_norm/"): a for name, a in found.items() if name.startswith("grad_norm/")}
    written = [_lines(to / "loss.png", losses, "loss")]
    if norms:
        written.append(_lines(to / "gradient_norms.png", norms, "gradient norm"))
    probed = activations(found)
    if probed:
        written.append(_panels(to / "activations.png", probed))
    lags = lag_figure.rows(lines)
    if lags:
        written.append(lag_figure.draw(to / "gradient_by_lag.png", lags, COLOURS))
    first = filters(folder)
    if first is not None:
        written.append(_images(to / "filters.png", *first))
    return written


def filters(folder: Path) -> tuple[str, np.ndarray] | None:
    """The first layer with tensors and what its units weigh, (units, rows, columns), channels averaged: kernels of a
    convolution, whole images of a dense layer. None where the data are no images, or the layer is of another kind."""
    if not (folder / WEIGHTS).exists():
        return None
    fields = json.loads((folder / ABOUT).read_text(encoding="utf-8"))["fields"]
    field = next(iter(fields.values()))
    with np.load(folder / WEIGHTS, allow_pickle=False) as file:
        name, W = file.files[0], file[file.files[0]]
    if field["axes"] != "NCHW" or not name.endswith("/W"):
        return None
    C, H, width = field["shape"]
    k = math.isqrt(len(W) // C)
    shape = (H, width) if len(W) == C * H * width else (k, k)
    if len(W) != C * shape[0] * shape[1]:
        return None
    return name.removesuffix("/W"), W.T.reshape(-1, C, *shape).mean(1)


def activations(found: Series) -> dict[str, Series]:
    """dead, saturated, std -> node -> series, of `activation/<node>/<what>`, nodes in order."""
    split = {name: name.removeprefix("activation/").rpartition("/") for name in found if name.startswith("activation/")}
    panels = {what: {node: found[name] for name, (node, _, w) in split.items() if w == what} for what in ACTIVATIONS}
    return {what: nodes for what, nodes in panels.items() if nodes}


def _lines(path: Path, found: Series, title: str) -> Path:
    fig, (ax,) = _axes()
    for colour, (name, a) in zip(COLOURS * 9, found.items(), strict=False):
        thinned = grouped(a)
        ax.plot(thinned[:, 0], thinned[:, 1], color=colour, lw=1.5, label=name)
    if all((a[np.isfinite(a[:, 1]), 1] > 0).all() for a in found.values()):
        ax.set_yscale("log")
    ax.set(xlabel="training step", title=title)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, fontsize=8)
    fig.savefig(path, dpi=120)
    return path


def _panels(path: Path, panels: dict[str, Series]) -> Path:
    """A panel for each of dead, saturated, std: by depth at the first and the last look, or along training for few nodes."""
    fig, axes = _axes(len(panels))
    for ax, (what, nodes) in zip(axes, panels.items(), strict=True):
        if len(nodes) >= DEPTH:
            _by_depth(ax, nodes)
        else:
            for colour, (node, a) in zip(COLOURS, nodes.items(), strict=False):
                thinned = grouped(a)
                ax.plot(thinned[:, 0], thinned[:, 1], color=colour, lw=1.5, label=node)
            ax.set_xlabel("training step")
        values = np.concatenate([a[:, 1] for a in nodes.values()])
        values = values[np.isfinite(values) & (values > 0)]
        if what != "std":
            ax.set_ylim(-0.03, 1.03)
        elif len(values) and values.max() > 20 * values.min():
            ax.set_yscale("log")
        else:
            ax.set_ylim(bottom=0)
        ax.set_title(ACTIVATIONS[what])
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(frameon=False, fontsize=8)
    fig.savefig(path, dpi=120)
    return path


def _images(path: Path, node: str, images: np.ndarray) -> Path:
    """Small images on one scale: blue where a weight is negative, red where it is positive."""
    from matplotlib.figure import Figure

    shown, columns = images[:FILTERS], min(8, len(images))
    lines = -(-len(shown) // columns)
    fig = Figure(figsize=(6, 0.4 + 0.75 * lines), layout="constrained")
    most = float(np.abs(shown).max()) or 1.0
    ax = fig.subplots()
    drawn = ax.imshow(_tiled(shown, lines, columns), cmap="RdBu_r", vmin=-most, vmax=most)
    ax.axis("off")
    fig.colorbar(drawn, ax=ax, shrink=0.9)
    more = f" (the first {FILTERS} of {len(images)})" if len(images) > FILTERS else ""
    fig.suptitle(f"weights of {node}{more}", fontsize=10)
    fig.savefig(path, dpi=120)
    return path


def _tiled(images: np.ndarray, lines: int, columns: int) -> np.ndarray:
    """Images (n, H, W) side by side in one, with a gap of a pixel: axes of their own would take a second to lay out."""
    height, width = images.shape[1:]
    tiled = np.full((lines * (height + 1) - 1, columns * (width + 1) - 1), np.nan)
    for i, image in enumerate(images):
        top, left = (i // columns) * (height + 1), (i % columns) * (width + 1)
        tiled[top : top + height, left : left + width] = image
    return tiled


def _by_depth(ax: Any, nodes: Series) -> None:
    for colour, at in zip(COLOURS, (0, -1), strict=False):
        steps = {int(a[at, 0]) for a in nodes.values()}
        label = f"step {min(steps)}"
        ax.plot(range(len(nodes)), [a[at, 1] for a in nodes.values()], "o-", color=colour, lw=1.5, ms=4, label=label)
    every = -(-len(nodes) // 12)  # names of more nodes would overlap
    ax.set_xticks(range(0, len(nodes), every), list(nodes)[::every], rotation=45, fontsize=8)


def _axes(panels: int = 1) -> tuple[Any, Any]:
    from matplotlib.figure import Figure  # without pyplot: no window system is touched, nothing is kept

    fig = Figure(figsize=(6 if panels == 1 else 3.6 * panels, 3.6), layout="constrained")
    return fig, fig.subplots(1, panels, squeeze=False)[0]


def grouped(a: np.ndarray) -> np.ndarray:
    """Means of consecutive points (K, 2), few enough to be told apart."""
    size = -(-len(a) // POINTS)
    return np.stack([a[i : i + size].mean(0) for i in range(0, len(a), size)])
