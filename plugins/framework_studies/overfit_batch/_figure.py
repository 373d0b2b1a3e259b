"""The figure of `overfit_batch`: the loss on one batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework import style

LEAST = 1e-12  # shown for 0 on a logarithmic axis


def figure(loss: np.ndarray, evaluated: np.ndarray | None, goal: float) -> Any:
    """The loss of every step, that of the batch in evaluation, and the goal.

    Args:
        loss: (steps,).
        evaluated: (K, 2) of step and loss.
    """
    from matplotlib.figure import Figure  # without pyplot: no window system, no global state

    fig = Figure(figsize=(6, 3.4), layout="constrained")
    ax = fig.subplots()
    finite = np.isfinite(loss)
    steps = np.arange(1, len(loss) + 1)[finite]
    ax.plot(steps, np.maximum(loss[finite], LEAST), color=style.COLOURS[0], lw=style.LINE, label="as trained")
    if evaluated is not None and len(evaluated):
        steps, values = evaluated.T
        ax.plot(steps, np.maximum(values, LEAST), ".", color=style.COLOURS[4], ms=style.MARKER, label="as evaluated")
    if finite.any():
        ax.axhline(max(goal, LEAST), color="black", lw=1, ls="--", label="goal")
        ax.set_yscale("log")
    ax.set(xlabel="training step", title="loss on one batch")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, fontsize=style.SMALL)
    return fig
