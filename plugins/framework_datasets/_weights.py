"""Weights of the rows of a table: a column of them, or one for each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from framework import DataError
from framework_datasets._columns import real
from framework_datasets._table import Table, shown

BALANCED = "balanced"


def weights_of(table: Table, name: str) -> np.ndarray:
    """(n,) the weights in a column.

    Raises:
        DataError: a value is not a number of 0 or more.
    """
    values = real(table, name)
    below = np.flatnonzero(values < 0)
    if below.size:
        row = int(below[0])
        raise table.fault(row, name, f"'{table.columns[name][row]}' is negative; weights are 0 or more")
    return values


def check_weights(path: str, name: str, weights: np.ndarray, parts: Mapping[str, np.ndarray]) -> None:
    """Check that every split has a weight.

    Raises:
        DataError: all weights of a split are 0.
    """
    for split, rows in parts.items():
        if not weights[rows].any():
            raise DataError(f"{path}: column '{shown(name)}': every weight of the {split} split is 0")


def balanced(classes: Sequence[str], labels: np.ndarray, train: np.ndarray) -> tuple[np.ndarray, str]:
    """(n,) the weight n / (K n_k) of each training row, with n rows, K classes and n_k rows of its class k, and 1 of all
    other rows; and a line with the weights.

    Args:
        labels: (n,) the class of each row.
        train: the rows of the training split.
    """
    counts = np.bincount(labels[train], minlength=len(classes))
    of_class = len(train) / (len(classes) * np.maximum(counts, 1))
    weights = np.ones(len(labels))
    weights[train] = of_class[labels[train]]
    listed = [f"{shown(name, 20)}: {weight:.4g}" for name, weight in zip(classes, of_class, strict=True)]
    listed = listed if len(listed) <= 6 else [*listed[:4], "...", listed[-1]]
    return weights, f"classes have weights in the training split ({', '.join(listed)}), and 1 in others"
