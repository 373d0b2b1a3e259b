"""The figure of `learning_curve`: loss and metrics against the number of training examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from framework import style

PANELS = 3  # the loss, and the first metrics


def figure(found: Mapping[str, Mapping[int, np.ndarray]], title: str) -> Any:
    """A panel for the loss, of training and validation, and one for each of the first metrics; a band is one standard
    deviation over the draws.

    Args:
        found: metric -> number of examples -> its values over the draws.
    """
    from matplotlib.figure import Figure  # without pyplot: no window system, no global state

    kinds = list(dict.fromkeys(name.partition("/")[2] for name in found))[:PANELS]
    fig = Figure(figsize=(0.8 + 3.6 * len(kinds), 3.4), layout="constrained")
    for ax, kind in zip(fig.subplots(1, len(kinds), squeeze=False)[0], kinds, strict=True):
        for i, split in enumerate(("train", "val")):
            curve = found.get(f"{split}/{kind}")
            if curve is not None:
                m, mean, std = np.array([(m, v.mean(), v.std()) for m, v in curve.items()]).T
                label = {"train": "training", "val": "validation"}[split]
                ax.plot(m, mean, marker="o", ms=style.MARKER, lw=style.LINE, color=style.COLOURS[i], label=label)
                ax.fill_between(m, mean - std, mean + std, color=style.COLOURS[i], alpha=style.BAND, lw=0)
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter("{x:.0f}")
        style.finish(ax, kind, "training examples")
    fig.suptitle(title)
    return fig
