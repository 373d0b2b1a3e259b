"""The figures of `bias_variance`: the terms along training, and over x if x is a single number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from framework import style
from framework_studies.bias_variance._common_places import Places
from framework_studies.bias_variance._decomposition import Decomposition

COLOURS = {"bias2": style.COLOURS[0], "variance": style.COLOURS[4], "noise": style.NOISE}
NAMES = {"bias2": "bias²", "variance": "variance", "noise": "noise"}
DRAWN = 20  # maximum number of single networks


def figures(at: Places, found: Mapping[int, Decomposition], y: np.ndarray) -> dict[str, Any]:
    """The figures, by name.

    Args:
        found: step -> terms.
        y: final predictions of the networks (R, G).
    """
    drawn = {"bias_variance": along_training(found)}
    if at.x is not None and at.labels is None and y.shape[1] == len(at.x):
        drawn["predictions"] = over_x(at, y)
    return drawn


def along_training(found: Mapping[int, Decomposition]) -> Any:
    """The terms on top of each other, and the measured error."""
    from matplotlib.figure import Figure  # without pyplot: no window system, no global state

    fig = Figure(figsize=(6, 3.6), layout="constrained")
    ax, steps = fig.subplots(), list(found)
    terms = {name: np.array([getattr(d, name) for d in found.values()]) for name in ("noise", "variance", "bias2")}
    stacked = ax.stackplot(steps, np.maximum(list(terms.values()), 0), colors=[COLOURS[name] for name in terms], alpha=0.75)
    for area, name in zip(stacked, terms, strict=True):
        area.set_label(NAMES[name])
    ax.plot(steps, [d.epe for d in found.values()], color="black", lw=style.LINE, label="measured error")
    ax.set(xlabel="training step", title="expected squared error")
    ax.margins(x=0)
    # The first steps are often far above all later ones.
    ax.set_ylim(0, 1.15 * max(np.quantile([d.epe for d in found.values()], 0.9), found[steps[-1]].epe))
    ax.spines[["top", "right"]].set_visible(False)
    handles, labels = ax.get_legend_handles_labels()
    ax.legend(handles[::-1], labels[::-1], frameon=False, fontsize=style.SMALL)
    return fig


def over_x(at: Places, y: np.ndarray) -> Any:
    """Single networks, their mean and one standard deviation, the truth; below, bias² and variance at each x."""
    from matplotlib.figure import Figure

    fig = Figure(figsize=(6, 5), layout="constrained")
    above, below = fig.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    x, mean, std, truth = at.x, y.mean(0), y.std(0), at.targets if at.f is None else at.f
    above.plot(x, y[:DRAWN].T, color=style.NOISE, lw=0.5, alpha=0.6)
    above.fill_between(
        x, mean - std, mean + std, color=COLOURS["variance"], alpha=0.35, lw=0, label="± one standard deviation"
    )
    above.plot(x, mean, color=COLOURS["bias2"], lw=style.LINE, label=f"mean of {len(y)} networks")
    above.plot(x, truth, color="black", lw=style.LINE, ls="--", label="f" if at.f is not None else "targets")
    low, high = np.min([truth, mean - 2 * std]), np.max([truth, mean + 2 * std])
    above.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
    above.legend(frameon=False, fontsize=style.SMALL)
    for name, values in (("bias2", (truth - mean) ** 2), ("variance", std**2)):
        below.plot(x, values, color=COLOURS[name], lw=style.LINE, label=NAMES[name])
    below.set(xlabel="x", yscale="log" if min(np.median(std**2), np.median((truth - mean) ** 2)) > 0 else "linear")
    below.legend(frameon=False, fontsize=style.SMALL)
    for ax in (above, below):
        ax.spines[["top", "right"]].set_visible(False)
    return fig
