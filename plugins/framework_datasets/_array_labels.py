"""Labels of an array: integers, also as floats, in a column, or one-hot."""

from __future__ import annotations

import numpy as np

from framework import DataError
from framework_datasets._arrays import labels

MOST_CLASSES = 20  # integral floats with more different values than this are real numbers, unless `task` is set


def is_one_hot(a: np.ndarray) -> bool:
    """Whether every row along the last axis (two or more columns) holds a single 1 and zeros."""
    if a.ndim < 2 or a.shape[-1] < 2 or a.dtype.kind not in "biuf" or not a.size:
        return False
    ones = a == 1
    return bool((ones | (a == 0)).all() and (ones.sum(-1) == 1).all())


def are_labels(a: np.ndarray) -> bool:
    """Whether values are read as labels: integers, and floats with the values 0.0, 1.0 ... K - 1, all of them present, K at
    most 20."""
    if a.dtype.kind in "biu":
        return True
    if a.dtype.kind != "f" or not a.size or not np.isfinite(a).all():
        return False
    seen = np.unique(a)
    return 1 < len(seen) <= MOST_CLASSES and bool((seen == np.arange(len(seen))).all())


def plain_labels(path: str, name: str, a: np.ndarray, axes: int) -> np.ndarray:
    """Labels (n,) or (n, T) in int64, from that, from a column (..., 1), or from one-hot rows (..., K).

    Args:
        axes: 1 for labels (n,), 2 for one of every step.

    Raises:
        DataError: the array has another shape, or holds something other than labels.
    """
    if a.ndim == axes + 1 and a.shape[-1] == 1:
        a = a[..., 0]
    elif a.ndim == axes + 1 and is_one_hot(a):
        a = a.argmax(-1)
    if a.ndim != axes:
        wanted = "use (n,)" if axes == 1 else "use one label for every step"
        hint = f" (for scores {name}.argmax(-1))" if a.ndim == axes + 1 else ""
        raise DataError(f"{path}: array '{name}' has shape {a.shape}; {wanted}{hint}, or one-hot")
    return labels(path, name, a)
