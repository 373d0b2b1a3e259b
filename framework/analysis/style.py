"""The common style of all figures of a run, a sweep or a study: one palette and one set of sizes.

Figures are shown small, in a tracking UI or in a report: few inches, large type, thick lines. Colours are distinguishable
for colour-blind readers; ordered values run from dark to light, also in a grey print. `applied` replaces these values for
a figure, by those of a style file of the user.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from framework.analysis.comparison import means
from framework.analysis.stylesheet import read_style
from framework.config.options import Appearance
from framework.core.errors import ConfigError
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
FRAME = False  # whether a panel of lines has edges at the top and on the right
SIZE: tuple[float | None, float | None] = (None, None)  # width and height that the user gave
HEAD = 0.0  # inches for a title of all panels
FORMATS = ("png", "pdf", "svg")
# Text stays text in SVG and PDF. A fixed salt and no date: the same figure has the same bytes.
VECTOR: Any = {"svg.fonttype": "none", "svg.hashsalt": "stackprop", "pdf.fonttype": 42}
UNDATED = {"png": None, "pdf": {"CreationDate": None}, "svg": {"Date": None}}


def panels(
    count: int = 1, width: float | None = None, height: float | None = None, left: float = LEFT, bottom: float = BOTTOM
) -> tuple[Any, Any]:
    """A figure and its panels, in a row.

    The margins are in inches: a layout engine would lay out every text twice, which takes as long as drawing.
    """
    width = SIZE[0] or width or (WIDTH if count == 1 else 3.7 * count)
    height = SIZE[1] or height or HEIGHT
    inner = max(0.2, width - left - RIGHT - (count - 1) * GAP) / count
    fig = sheet(width, height, None)
    top = TOP + (HEAD if count > 1 else 0.0)
    edges = {"left": left / width, "right": 1 - RIGHT / width, "bottom": bottom / height, "top": 1 - top / height}
    if edges["left"] >= edges["right"] or edges["bottom"] >= edges["top"]:
        raise ConfigError(f"figure.width: {width:g} x {height:g} inches are too small for this figure")
    return fig, fig.subplots(1, count, squeeze=False, gridspec_kw={**edges, "wspace": GAP / inner})[0]


def sheet(width: float, height: float, layout: Literal["constrained"] | None = "constrained") -> Any:
    """An empty figure, of this size unless the user gave another one."""
    from matplotlib.figure import Figure  # without pyplot: no window system, no global state

    return Figure(figsize=(SIZE[0] or width, SIZE[1] or height), layout=layout)


def save(fig: Any, path: Path) -> None:
    """Write a figure as PNG, PDF or SVG, as the name of the file says; a character that the font lacks is drawn as an empty
    box, without a warning."""
    import matplotlib

    suffix = path.suffix.lower().lstrip(".")
    kind = suffix if suffix in FORMATS else "png"
    with warnings.catch_warnings(), matplotlib.rc_context(VECTOR if kind != "png" else None):
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from", UserWarning)
        with replaced(path, lasting=False) as file:
            fig.savefig(file, dpi=DPI, format=kind, metadata=UNDATED[kind])


def write(make: Callable[[], Any], look: Appearance, path: Path) -> Path | None:
    """Make a figure with the size, labels and style that the user gave, and write it. None: there is nothing to draw.

    Raises:
        ConfigError: the style file cannot be read, or a label is not valid.
    """
    with applied(look):
        fig = make()
        if fig is None:
            return None
        dress(fig, look)
        try:
            save(fig, path)
        except ValueError as error:  # $...$ is a formula
            raise ConfigError(f"figure.title: a label cannot be drawn ({str(error).strip().splitlines()[-1]})") from error
    return path


@contextlib.contextmanager
def applied(look: Appearance) -> Iterator[None]:
    """Figures that are made and saved inside have the size of `look`, and the colours, fonts and lines of its style file."""
    import matplotlib

    rc: Any = read_style(look.style) if look.style else {}
    changes = {**of_settings(rc), "SIZE": (look.width, look.height), "HEAD": 0.3 if look.title else 0.0}
    before = {name: globals()[name] for name in changes}
    globals().update(changes)  # as matplotlib's own settings, they hold for the process
    try:
        with matplotlib.rc_context(rc):
            yield
    finally:
        globals().update(before)


def of_settings(rc: Mapping[str, Any]) -> dict[str, Any]:
    """The values of this file that a style file replaces, by name."""
    found: dict[str, Any] = {}
    if "font.size" in rc:
        size = rc["font.size"]
        found |= {"TITLE": 1.2 * size, "TEXT": size, "SMALL": 0.9 * size}
    keys = {"LINE": "lines.linewidth", "MARKER": "lines.markersize", "TITLE": "axes.titlesize", "TEXT": "axes.labelsize"}
    keys |= {"SMALL": "legend.fontsize", "ORDERED": "image.cmap", "DPI": "savefig.dpi", "FRAME": "axes.spines.top"}
    found |= {name: rc[key] for name, key in keys.items() if key in rc}
    if "figure.figsize" in rc:
        found["WIDTH"], found["HEIGHT"] = rc["figure.figsize"]
    colours = rc["axes.prop_cycle"].by_key().get("color", []) if "axes.prop_cycle" in rc else []
    if colours:
        found["COLOURS"] = tuple(colours[i % len(colours)] for i in range(max(len(COLOURS), len(colours))))
    return found


def dress(fig: Any, look: Appearance) -> None:
    """Give a figure the size, title and labels of `look`."""
    if look.width or look.height:
        fig.set_size_inches(look.width or fig.get_figwidth(), look.height or fig.get_figheight())
    parts = [ax for ax in fig.axes if ax.get_label() != "<colorbar>"]
    if look.title is not None and len(parts) == 1:
        parts[0].set_title(look.title, fontsize=TITLE)
    elif look.title:
        fig.suptitle(look.title, fontsize=TITLE)
    if look.xlabel is not None and parts:
        first = parts[0].get_xlabel()
        for ax in [ax for ax in parts if ax.get_xlabel() == first]:
            ax.set_xlabel(look.xlabel, fontsize=TEXT)
    if look.ylabel is not None and parts:
        parts[0].set_ylabel(look.ylabel, fontsize=TEXT)


def line(ax: Any, a: np.ndarray, number: int, label: str) -> None:
    """The series a (K, 2) of step and value as line `number`."""
    thinned = means(a, POINTS)
    style = STYLES[number // len(COLOURS) % len(STYLES)]
    dot = {"marker": "o", "ms": MARKER} if len(thinned) == 1 else {}  # a line of one point would be invisible
    ax.plot(thinned[:, 0], thinned[:, 1], style, color=COLOURS[number % len(COLOURS)], lw=LINE, label=label, **dot)


def finish(ax: Any, title: str, x: str = "training step", legend: bool = True, y: str = "") -> None:
    """Add title, labels and legend to a panel of lines, and remove its frame."""
    ax.set_title(title, fontsize=TITLE)
    ax.set_xlabel(x, fontsize=TEXT)
    if y:
        ax.set_ylabel(y, fontsize=TEXT)
    ax.spines[["top", "right"]].set_visible(FRAME)
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
