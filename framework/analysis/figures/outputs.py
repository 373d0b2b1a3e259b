"""Predictions and targets of a split, for the figures that compare them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from framework.data.dataset import Data
from framework.inference.model import Model

EXAMPLES = 2000  # maximum number evaluated: a figure must not take as long as an epoch
AT_ONCE = 250


class Outputs(NamedTuple):
    """Predictions of the first head, and its targets.

    Attributes:
        y: (n, ...), predictions.
        t: (n, ...), targets.
        weights: (n, ...), of the examples or steps; 1 without a mask.
        title: `test split`, and how much of it was evaluated.
    """

    y: np.ndarray
    t: np.ndarray
    weights: np.ndarray
    title: str


def held_out(data: Data) -> str | None:
    """The test split, or the validation split; None without both."""
    return next((split for split in ("test", "val") if split in data.splits), None)


def outputs(model: Model, data: Data, split: str, examples: int = EXAMPLES) -> Outputs:
    """Predictions for the first examples of a split."""
    target = str(model.head.target)
    fields = {name: a[:examples] for name, a in data.splits[split].items()}
    n, whole = len(fields[target]), len(data.splits[split][target])
    step = n if data.stateful else AT_ONCE
    parts = [model.predict({k: a[i : i + step] for k, a in fields.items()}) for i in range(0, n, step)]
    t, mask = np.asarray(fields[target]), fields.get(str(model.head.mask))
    axes = 2 if data.fields[target].time_major else 1
    weights = np.ones(t.shape[:axes]) if mask is None else np.asarray(mask, float)
    title = f"{split} split" if n == whole else f"{n} of {whole} of the {split} split"
    return Outputs(np.concatenate(parts), t, weights, title)
