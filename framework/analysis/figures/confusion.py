"""The confusion matrix of a classifier."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from framework.analysis import style
from framework.analysis.figures.options import ConfusionOptions
from framework.analysis.figures.outputs import EXAMPLES, held_out, outputs
from framework.analysis.figures.run_view import RunView
from framework.data.dataset import Data
from framework.inference.model import Model

CLASSES = 30  # more would not be readable
NUMBERED = 12  # up to this many classes, the cells show their counts


class Confusion(NamedTuple):
    """Counts of true and predicted classes.

    Attributes:
        counts: (K, K), true class x predicted class; weighted if examples are masked.
        names: class names.
        title: `test split`, and how much of it was evaluated.
    """

    counts: np.ndarray
    names: list[str]
    title: str


def draw(run: RunView, options: ConfusionOptions | None = None) -> Any:
    """Rows are the true classes, columns the predictions; darker cells hold a larger fraction of their row. None without
    classification, or without a test and a validation split."""
    found = confusion(run.model, run.data) if run.model and run.data else None
    if found is None:
        return None
    counts, names, title = found
    K, long = len(names), max(map(len, names)) > 2
    left, side = style.room_for(names) + 0.4, min(4.4, max(2.4, 0.42 * K))
    bottom = left if long else style.BOTTOM
    fig, (ax,) = style.panels(1, side + left + style.RIGHT, side + bottom + style.TOP, left, bottom)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1e-30)
    ax.imshow(np.sqrt(shares), cmap=style.SHARES, vmin=0, vmax=1)  # the root makes rare mistakes visible
    for i, j in np.argwhere(counts > 0) if K <= NUMBERED else []:
        colour = "white" if shares[i, j] > 0.3 else "black"
        text = f"{shares[i, j]:.2f}" if options and options.normalize else f"{counts[i, j]:.4g}"
        ax.text(j, i, text, ha="center", va="center", fontsize=style.SMALL, color=colour)
    style.names(ax.xaxis, names, rotation=90 if long else 0)
    style.names(ax.yaxis, names)
    ax.set_title(f"{title}: {counts.trace() / counts.sum():.1%} right", fontsize=style.TITLE)
    ax.set_xlabel("predicted class", fontsize=style.TEXT)
    ax.set_ylabel("true class", fontsize=style.TEXT)
    return fig


def confusion(model: Model, data: Data) -> Confusion | None:
    """Counts on the test split, otherwise the validation split; None without classification."""
    split, target = held_out(data), str(model.head.target)
    about = data.fields.get(target)
    if split is None or about is None or about.kind != "label" or about.axes not in ("N", "NT"):
        return None
    y, t, weights, title = outputs(model, data, split, EXAMPLES)
    t, K = t.astype(int), max(about.size, 2)
    if y.shape[:-1] != t.shape or y.shape[-1] not in (1, K) or K > CLASSES:
        return None
    said = (y[..., 0] > 0.5).astype(int) if y.shape[-1] == 1 else y.argmax(-1)
    counts = np.zeros((K, K))
    np.add.at(counts, (t, said), weights)
    if not counts.sum():
        return None
    return Confusion(counts, data.names_of(target), title)
