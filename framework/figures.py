"""The figures of a run, drawn from its `metrics.jsonl`: loss and metrics, and the gradient norm of every layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from framework.comparison import Series, series
from framework.recording import read_lines

# Okabe and Ito's colours, which colour-blind readers tell apart too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
POINTS = 400  # a line is drawn through the means of at most so many groups of steps


def draw(folder: Path) -> list[Path]:
    """Write `loss.png` and `gradient_norms.png` into `figures/`; return their paths."""
    found = series(read_lines(folder / "metrics.jsonl"))
    to = folder / "figures"
    to.mkdir(exist_ok=True)
    losses = {name: a for name, a in found.items() if name.endswith("/loss") and not name.startswith("test/")}
    norms = {name.removeprefix("grad_norm/"): a for name, a in found.items() if name.startswith("grad_norm/")}
    written = [_lines(to / "loss.png", losses, "loss")]
    if norms:
        written.append(_lines(to / "gradient_norms.png", norms, "gradient norm"))
    return written


def _lines(path: Path, found: Series, title: str) -> Path:
    fig, ax = _axes()
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


def _axes() -> tuple[Any, Any]:
    from matplotlib.figure import Figure  # without pyplot: no window system is touched, nothing is kept

    fig = Figure(figsize=(6, 3.6), layout="constrained")
    return fig, fig.subplots()


def grouped(a: np.ndarray) -> np.ndarray:
    """Means of consecutive points (K, 2), few enough to be told apart."""
    size = -(-len(a) // POINTS)
    return np.stack([a[i : i + size].mean(0) for i in range(0, len(a), size)])
