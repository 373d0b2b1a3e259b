"""The feature maps of the first convolution: where each of its filters finds something in a few examples."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.analysis import style
from framework.analysis.figures.filters import tiled
from framework.analysis.figures.run_view import RunView
from framework.data.dataset import Data
from framework.inference.model import Model
from framework.nn.network import Network

EXAMPLES, MAPS = 4, 8


def draw(run: RunView) -> Any:
    """A row per example: the image, then its first feature maps, from 0 (dark) to the largest value of the row. None without
    a convolution."""
    found = feature_maps(run.model, run.data) if run.model and run.data else None
    if found is None:
        return None
    node, images, maps = found
    n, M, size = len(images), maps.shape[1], max(*images.shape[1:], *maps.shape[2:])
    shown = np.full((n, 1 + M, size, size), np.nan)
    for image, rows, row in zip(images, maps, shown, strict=True):
        row[0, : image.shape[0], : image.shape[1]] = _from_0_to_1(image)
        row[1:, : rows.shape[1], : rows.shape[2]] = _from_0_to_1(rows)
    fig, (ax,) = style.panels(height=0.6 + 0.62 * n, left=style.RIGHT, bottom=style.RIGHT)
    ax.imshow(tiled(shown.reshape(-1, size, size), n, 1 + M), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    ax.axis("off")
    more = f", {M} of {run.model.network.shapes[node][0]}" if run.model and run.model.network.shapes[node][0] > M else ""
    ax.set_title(f"feature maps of {node}{more}; left: the image", fontsize=style.TITLE)
    return fig


def feature_maps(model: Model, data: Data) -> tuple[str, np.ndarray, np.ndarray] | None:
    """The node whose outputs are shown, images (n, H, W), averaged over channels, and maps (n, M, h, w); None without a
    convolution. It is the activation behind the first convolution if there is one."""
    field = next(iter(data.fields))
    node = _first_maps(model.network) if data.fields[field].axes == "NCHW" else None
    if node is None:
        return None
    split = next(s for s in ("test", "val", "train") if s in data.splits)
    fields = {name: a[:EXAMPLES] for name, a in data.splits[split].items()}
    values, _, _ = next(iter(model.passes(fields)))
    return node, np.asarray(fields[field], float).mean(1), np.asarray(values[node], float)[:, :MAPS]


def _first_maps(network: Network) -> str | None:
    with_tensors = {name for name, _ in network.tensor_shapes}
    first = next((name for name in network.nodes if name in with_tensors and len(network.shapes[name]) == 3), None)
    behind = [name for name, node in network.nodes.items() if node.sources == (first,) and hasattr(node.layer, "function")]
    return behind[0] if behind else first


def _from_0_to_1(a: np.ndarray) -> np.ndarray:
    finite = a[np.isfinite(a)]
    low, high = float(finite.min(initial=0.0)), float(finite.max(initial=0.0))
    return np.asarray((a - low) / ((high - low) or 1.0))
