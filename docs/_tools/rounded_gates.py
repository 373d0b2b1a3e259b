"""What rounding the weights of its gates costs a network, for the runs of a sweep over cells and seeds:

stackprop experiment=binary_gates
python docs/_tools/rounded_gates.py runs/sweep-...

The columns of W, U and b that belong to i and f are rounded to multiples of a step r; loss and metrics are those of the
validation split of the run's own data. Mean ± standard deviation over seeds.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from framework.analysis.comparison import format_value, grouped, read_jobs
from framework.experiments.datasets import load_data
from framework.experiments.loading import load, settings_of_run

STEPS = (0.0, 0.2, 0.5, 1.0, 2.0)  # 0: as they are


def rounded(tensors: dict[str, np.ndarray], step: float) -> dict[str, np.ndarray]:
    """The same tensors, the first half of their columns (i and f of i, f, o, g) in multiples of a step."""
    out = {}
    for name, a in tensors.items():
        half, out[name] = a.shape[-1] // 2, a.copy()
        if step:
            out[name][..., :half] = np.round(a[..., :half] / step) * step
    return out


def losses(run: Path, node: str = "rnn") -> Iterator[dict[str, float]]:
    """What is measured on the validation split, for each of the steps."""
    model, fields = load(run), load_data(settings_of_run(run)).splits["val"]
    weights: Any = model.weights
    kept = weights[node]
    for step in STEPS:
        weights[node] = rounded(kept, step)
        yield model.evaluate(fields)


def main(sweep: Path) -> None:
    """Print a table."""
    print("cell", *(f"r {step:g}" if step else "as trained" for step in STEPS), sep=" | ")
    for group in grouped(read_jobs(sweep)):
        found = [list(losses(sweep / job.name)) for job in group.jobs]
        for name in found[0][0]:
            values = np.array([[point[name] for point in run] for run in found])
            cells = (f"{mean:.3g} ± {std:.2g}" for mean, std in zip(values.mean(0), values.std(0), strict=True))
            print(" ".join(map(format_value, group.keys.values())), name, *cells, sep=" | ")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
