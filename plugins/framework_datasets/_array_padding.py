"""Clears padded steps in the arrays of an npz file: they are not part of the data, and may hold NaN or a label -1."""

from __future__ import annotations

import numpy as np

from framework_datasets._array_labels import are_labels, is_one_hot


def clear_inputs(x: np.ndarray, mask: np.ndarray, ids: bool) -> np.ndarray:
    """x (n, T) ids or (n, T, F) numbers, with 0 for ids and for NaN and inf where the mask (n, T) is 0."""
    if not _fits(x, mask) or x.ndim != (2 if ids else 3):
        return x
    out = _padded(mask, x)
    return np.where(out if ids else out & ~np.isfinite(x), np.zeros((), x.dtype), x)


def clear_targets(y: np.ndarray, mask: np.ndarray, task: str) -> np.ndarray:
    """y of every step, (n, T) labels or (n, T, k), with 0 where the mask (n, T) is 0: the class 0 of one-hot rows. Values
    (n, T) with k = T per sequence stay unchanged.

    Args:
        task: auto, classification or regression.
    """
    if not _fits(y, mask) or y.ndim > 3:
        return y
    counted = y[mask > 0]
    if y.ndim == 2 and (task == "regression" or (task == "auto" and not are_labels(counted))):
        return y
    empty = np.zeros(y.shape[2:], y.dtype)
    if y.ndim == 3 and is_one_hot(counted):
        empty[0] = 1
    return np.where(_padded(mask, y), empty, y)


def _fits(a: np.ndarray, mask: np.ndarray) -> bool:
    return mask.ndim == 2 and a.shape[:2] == mask.shape and {a.dtype.kind, mask.dtype.kind} <= set("biuf")


def _padded(mask: np.ndarray, a: np.ndarray) -> np.ndarray:
    out: np.ndarray = mask == 0
    return out.reshape(*out.shape, *(1,) * (a.ndim - 2))
