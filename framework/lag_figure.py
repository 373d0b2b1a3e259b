"""The figure of gradients by time lag: what a vanishing gradient looks like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

KIND = "gradient_by_lag/"
FLOOR = 1e-12  # of the largest value: what lies below is rounding


def rows(lines: Sequence[Mapping[str, Any]]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """layer -> steps (K,) and rows (K, L) of a run's gradients by lag, without rows of another length than the first."""
    found: dict[str, tuple[list[int], list[list[float]]]] = {}
    for line in lines:
        for name, value in line.items():
            if name.startswith(KIND):
                steps, kept = found.setdefault(name.removeprefix(KIND), ([], []))
                if not kept or len(value) == len(kept[0]):
                    steps.append(int(line["step"]))
                    kept.append(value)
    return {layer: (np.array(steps), np.array(kept, float)) for layer, (steps, kept) in found.items()}


def draw(path: Path, found: Mapping[str, tuple[np.ndarray, np.ndarray]], colours: Sequence[str]) -> Path:
    """Two panels: the gradient against the lag, at the first look and the last, of every layer; and, for the first layer, at
    all lags along training."""
    from matplotlib.figure import Figure

    fig = Figure(figsize=(8.4, 3.6), layout="constrained")
    ax, heat = fig.subplots(1, 2)
    for colour, (layer, (steps, values)) in zip(colours, found.items(), strict=False):
        for at, style in ((0, "--"), (-1, "-")):
            shown = np.where(values[at] > values.max() * FLOOR, values[at], np.nan)
            ax.plot(shown, style, color=colour, lw=1.5, marker="o", ms=3, label=f"{layer}, step {steps[at]}")
    ax.set(yscale="log", xlabel="lag (steps back from the last loss)", title="gradient by lag")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, fontsize=8)
    layer, (steps, values) = next(iter(found.items()))
    floor = values[values > values.max() * FLOOR].min(initial=values.max())
    logs = np.log10(np.maximum(values, floor))
    image = heat.imshow(logs.T, aspect="auto", origin="lower", cmap="viridis", interpolation="nearest")
    ticks = np.linspace(0, len(steps) - 1, min(6, len(steps))).round().astype(int)
    heat.set_xticks(ticks, steps[ticks])
    heat.set(xlabel="training step", ylabel="lag", title=f"{layer}: log10 of it, along training")
    fig.colorbar(image, ax=heat)
    fig.savefig(path, dpi=120)
    return path
