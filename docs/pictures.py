"""Draws the picture of the README from a real sweep:

stackprop -m optimizer=sgd,nag,adam optimizer.lr=0.1,0.01 'seed=range(5)'
python docs/pictures.py runs/sweep-...
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import yaml

from framework.recording import read_lines

COLOURS = {"sgd": "#0072B2", "nag": "#D55E00", "adam": "#009E73"}  # Okabe and Ito: told apart by colour-blind readers too


def curves(sweep: Path, key: str) -> dict[tuple[str, float], list[np.ndarray]]:
    """(optimizer, learning rate) -> one array (K, 2) of step and value per seed."""
    found = defaultdict(list)
    for folder in sorted(sweep.glob("[0-9]*"), key=lambda path: int(path.name)):
        optimizer = yaml.safe_load((folder / "config.yaml").read_text())["optimizer"]
        points = [(line["step"], line[key]) for line in read_lines(folder / "metrics.jsonl") if key in line]
        found[optimizer["type"], optimizer["lr"]].append(np.array(points))
    return found


def smoothed(a: np.ndarray, width: int) -> np.ndarray:
    """Means of consecutive points."""
    n = len(a) // width * width
    return a[:n].reshape(-1, width, 2).mean(1)


def main(sweep: Path, to: Path) -> None:
    """Loss on the left, norm of the gradient of the hidden layer on the right."""
    fig, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for ax, key, width in ((axes[0], "val/loss", 1), (axes[1], "grad_norm/hidden", 68)):
        for (optimizer, lr), runs in curves(sweep, key).items():
            seeds = np.stack([smoothed(run, width) for run in runs])
            step, mean, spread = seeds[0, :, 0], seeds[..., 1].mean(0), seeds[..., 1].std(0)
            style = "-" if lr == 0.1 else "--"
            ax.plot(step, mean, style, color=COLOURS[optimizer], lw=1.6, label=f"{optimizer}  lr {lr}")
            ax.fill_between(step, np.maximum(mean - spread, 1e-4), mean + spread, color=COLOURS[optimizer], alpha=0.15, lw=0)
        ax.set(yscale="log", xlabel="training step", title=key)
        ax.spines[["top", "right"]].set_visible(False)
    axes[1].legend(frameon=False, fontsize=8)
    fig.savefig(to, dpi=130)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(__file__).parent / "images" / "optimizers.png")
