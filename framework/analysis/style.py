"""The common style of all figures of a run, a sweep or a study: one palette and one set of sizes.

Figures are shown small, in a tracking UI or in a report: few inches, large type, thick lines. Colours are distinguishable
for colour-blind readers; ordered values run from dark to light, also in a grey print.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from framework.analysis.comparison import means
from framework.core.writing import replaced

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # Okabe and Ito's
logging.getLogger("matplotlib.font_manager").setLevel(logging.WARNING)  # otherwise it logs its search for fonts
STYLES = ("-", "--", ":", "-.")
ORDERED, SIGNED, SHARES = "viridis", "RdBu_r", "Blues"  # colour maps: small to large; around 0; none to all
NONE, FAINT, NOISE = "#DDDDDD", "#888888", "#999999"  # a map without a value; a goal; irreducible noise
WIDTH, HEIGHT, DPI = 6.0, 3.6, 120  # inches, dots per inch
LINE, MARKER, BAND = 1.6, 3.5, 0.15
TITLE, TEXT, SMALL = 12, 10, 9  # points
LEFT, RIGHT, TOP, BOTTOM, GAP = 0.8, 0.15, 0.4, 0.55, 0.7  # inches around panels and between them
POINTS = 400  # maximum points of a line; longer series are drawn as means
NAMES = 12  # maximum names beside an axis; of more, some are left out


def panels(
    count: int = 1, width: float | None = None, height: float = HEIGHT, left: float = LEFT, bottom: float = BOTTOM
) -> tuple[Any, Any]:
    """A figure and its panels, in a row.

    The margins are in inches: a layout engine would lay out every text twice, which takes as long as drawing.
    """
    from matplotlib.figure import Figure  # without pyplot: no window system, no global state

    width = width or (WIDTH if count == 1 else 3.7 * count)
    inner = (width - left - RIGHT - (count - 1) * GAP) / count
    fig = Figure(figsize=(width, height))
    edges = {"left": left / width, "right": 1 - RIGHT / width, "bottom": bottom / height, "top": 1 - TOP / height}
    return fig, fig.subplots(1, count, squeeze=False, gridspec_kw={**edges, "wspace": GAP / inner})[0]


def save(fig: Any, path: Path) -> None:
    """Write a figure; a character that the font lacks is drawn as an empty box, without a warning."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from", UserWarning)
        with replaced(path, lasting=False) as file:
            fig.savefig(file, dpi=DPI, format="png")


def line(ax: Any, a: np.ndarray, number: int, label: str) -> None:
    """The series a (K, 2) of step and value as line `number`."""
    thinned = means(a, POINTS)
    style = STYLES[number // len(COLOURS) % len(STYLES)]
    dot = {"marker": "o", "ms": MARKER} if len(thinned) == 1 else {}  # a line of one point would be invisible
    ax.plot(thinned[:, 0], thinned[:, 1], style, color=COLOURS[number % len(COLOURS)], lw=LINE, label=label, **dot)


def finish(ax: Any, title: str, x: str = "training step", legend: bool = True) -> None:
    """Add title, labels and legend to a panel of lines, and remove its frame."""
    ax.set_title(title, fontsize=TITLE)
    ax.set_xlabel(x, fontsize=TEXT)
    ax.spines[["top", "right"]].set_visible(False)
    if legend and ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False, fontsize=SMALL)


def heat(fig: Any, ax: Any, values: np.ndarray, extent: Sequence[float], title: str, x: str = "training step") -> None:
    """A map of values (rows, columns), the first row on top, with its scale; non-finite values are grey.

    Args:
        extent: left, right, bottom, top edge on the axes.
    """
    import matplotlib

    shades = matplotlib.colormaps[ORDERED].with_extremes(bad=NONE)
    image = ax.imshow(np.ma.masked_invalid(values), aspect="auto", cmap=shades, interpolation="nearest", extent=extent)
    ax.set_title(title, fontsize=TITLE)
    ax.set_xlabel(x, fontsize=TEXT)
    scale = fig.colorbar(image, ax=ax, pad=0.03)
    scale.outline.set_visible(False)
    scale.ax.tick_params(labelsize=SMALL)


def names(axis: Any, found: Sequence[str], rotation: float = 0) -> None:
    """Add names at 0, 1, 2 ... of an axis, as many as fit."""
    every = -(-len(found) // NAMES)
    axis.set_ticks(range(0, len(found), every), list(found)[::every], rotation=rotation, fontsize=SMALL)


def room_for(found: Sequence[str]) -> float:
    """The width of names beside an axis, in inches."""
    return min(2.0, 0.3 + 0.075 * max(map(len, found)))


def logs(values: np.ndarray) -> np.ndarray:
    """log10; NaN for values that are not above 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log10(np.where(np.isfinite(values) & (values > 0), values, np.nan))
