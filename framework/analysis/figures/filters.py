"""The weights of the first layer: kernels of a convolution, whole images of a dense layer, or weights of features."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from framework.analysis import style
from framework.analysis.figures.run_view import RunView
from framework.core.archives import open_archive
from framework.core.reading import read_json
from framework.inference.model import ABOUT, WEIGHTS

FILTERS = 32  # filters shown
LONGEST = 20  # characters of a feature's name
FEATURES = 64  # features shown, of data that are not images


def draw(run: RunView) -> Any:
    """Small images with one scale, or a map features x units: negative weights blue, positive ones red. None for other kinds
    of data or layers."""
    found = filters(run.folder)
    return _images(*found) if found else _features(run.folder)


def filters(folder: Path) -> tuple[str, np.ndarray] | None:
    """The first layer with tensors, and the weights of its units, (units, rows, columns), averaged over channels: kernels of
    a convolution, whole images of a dense layer. None for other kinds of data or layers."""
    field, name, W = _first(folder)
    if field is None or field["axes"] != "NCHW" or not name.endswith("/W"):
        return None
    C, H, width = field["shape"]
    k = math.isqrt(len(W) // C)
    shape = (H, width) if len(W) == C * H * width else (k, k)
    if len(W) != C * shape[0] * shape[1]:
        return None
    return name.removesuffix("/W"), W.T.reshape(-1, C, *shape).mean(1)


def _first(folder: Path) -> tuple[Any, str, np.ndarray]:
    """The first field of the data, and the first tensor of the network; None without a model."""
    if not (folder / WEIGHTS).exists():
        return None, "", np.zeros(0)
    fields = read_json(folder / ABOUT)["fields"]
    with open_archive(folder / WEIGHTS) as file:
        return next(iter(fields.values())), file.files[0], file[file.files[0]]


def _images(node: str, images: np.ndarray) -> Any:
    shown, columns = images[:FILTERS], min(8, len(images))
    rows = -(-len(shown) // columns)
    fig, (ax,) = style.panels(height=0.6 + 0.62 * rows, left=style.RIGHT, bottom=style.RIGHT)
    _map(fig, ax, tiled(shown, rows, columns), "equal")
    ax.axis("off")
    more = f" (the first {FILTERS} of {len(images)})" if len(images) > FILTERS else ""
    ax.set_title(f"weights of {node}{more}", fontsize=style.TITLE)
    return fig


def _features(folder: Path) -> Any:
    field, name, W = _first(folder)
    if field is None or field["axes"] not in ("NF", "NTF") or W.ndim != 2 or len(W) > FEATURES:
        return None
    if not name.endswith("/W") or len(W) != field["shape"][-1] or min(W.shape) < 2:
        return None
    names = [name if len(name) <= LONGEST else f"{name[:LONGEST]}..." for name in field.get("features", ())]
    names = names or [str(i) for i in range(len(W))]
    left = max(style.LEFT, style.room_for(names) + 0.4)
    fig, (ax,) = style.panels(height=min(6.0, 1.4 + 0.2 * max(8, len(W))), left=left)
    _map(fig, ax, W, "auto")
    style.names(ax.yaxis, names)
    ax.set_title(f"weights of {name.removesuffix('/W')}", fontsize=style.TITLE)
    ax.set_xlabel("unit", fontsize=style.TEXT)
    ax.set_ylabel("feature", fontsize=style.TEXT)
    return fig


def _map(fig: Any, ax: Any, values: np.ndarray, aspect: Any) -> None:
    most = float(np.abs(values[np.isfinite(values)]).max(initial=0)) or 1.0  # a diverged run may have none
    drawn = ax.imshow(values, cmap=style.SIGNED, vmin=-most, vmax=most, aspect=aspect, interpolation="nearest")
    scale = fig.colorbar(drawn, ax=ax, pad=0.03)
    scale.outline.set_visible(False)
    scale.ax.tick_params(labelsize=style.SMALL)


def tiled(images: np.ndarray, lines: int, columns: int) -> np.ndarray:
    """Images (n, H, W) as one image, with gaps of a pixel: separate axes would take a second to lay out."""
    height, width = images.shape[1:]
    tiled = np.full((lines * (height + 1) - 1, columns * (width + 1) - 1), np.nan)
    for i, image in enumerate(images):
        top, left = (i // columns) * (height + 1), (i % columns) * (width + 1)
        tiled[top : top + height, left : left + width] = image
    return tiled
