"""The figure of `lr_range`: loss against learning rate."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework import style


def figure(found: Any) -> Any:
    """The loss of every rate, diverged ones as crosses at the top, and the notable rates.

    Args:
        found: a `framework_studies.lr_range.Range`.
    """
    from matplotlib.figure import Figure  # without pyplot: no window system, no global state

    fig = Figure(figsize=(6, 3.6), layout="constrained")
    ax, finite = fig.subplots(), np.isfinite(found.loss)
    ax.set_xscale("log")
    if finite.any():
        shown = found.loss[finite]
        ax.plot(found.rate[finite], shown, color=style.COLOURS[0], marker=".", lw=style.LINE, label="loss")
        ax.plot(found.rate[found.best], found.loss[found.best], "o", color=style.COLOURS[2], ms=8, label="lowest")
        # Losses far above the one without learning are clipped.
        top = max(min(shown.max(), 3 * found.without), found.without) if found.without > 0 else shown.max()
        low = shown.min()
        if 0 < low < top / 30:
            ax.set_yscale("log")
            ax.set_ylim(low / 1.5, top * 2)
        else:
            ax.set_ylim(low - 0.1 * (top - low) - 1e-12, top + 0.15 * (top - low) + 1e-12)
    if found.steepest is not None:
        ax.axvline(found.rate[found.steepest], color=style.COLOURS[4], lw=1.2, ls="-.", label="steepest")
    if found.stable:
        ax.axvline(found.rate[found.stable - 1], color=style.COLOURS[1], lw=1.2, ls=":", label="largest stable")
    if np.isfinite(found.without):
        ax.axhline(found.without, color=style.NOISE, lw=1, ls="--", label="without learning")
    if not finite.all():
        at_top = np.full((~finite).sum(), 0.97)
        ax.plot(found.rate[~finite], at_top, "x", color="black", transform=ax.get_xaxis_transform(), label="diverged")
    ax.set(xlabel="learning rate", title="loss at the end of training")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, fontsize=style.SMALL)
    return fig
