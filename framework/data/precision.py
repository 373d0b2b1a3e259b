"""Finds values in the data that the precision of training cannot represent or distinguish."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.data.dataset import Data

FEW = 0.01  # fraction of different values that may coincide without a warning


def indistinct(data: Data, dtype: Any) -> list[str]:
    """A line for each real field of the training split with features that rounding to `dtype` spoils: values become inf or 0
    or lose digits, or different values, far from 0 for their range, coincide."""
    lines = []
    for name, about in data.fields.items():
        a = data.splits["train"][name]
        if about.kind != "real" or not a.size or np.dtype(dtype).itemsize >= a.dtype.itemsize:
            continue
        columns = a.reshape(-1, a.shape[-1]) if about.axes.endswith("F") else a.reshape(-1, 1)
        if lost := _out_of_range(columns, dtype):
            lines.append(f"{_named(data, name, lost[0])}: {lost[1]}; another unit, near 1, or dtype=float64 keeps them")
            continue
        width, most = np.ptp(columns, axis=0), np.abs(columns).max(0)
        for k in np.flatnonzero((width > 0) & (np.finfo(dtype).eps * most > 1e-6 * width)):
            values = np.unique(columns[:, k])
            same = np.flatnonzero(np.diff(values.astype(dtype)) == 0)
            if same.size > FEW * values.size:
                pair = " and ".join(f"{value:.17g}" for value in values[same[0] : same[0] + 2])
                way = "dataset.scale=standard" if name == next(iter(data.fields)) else "another unit or origin"
                lines.append(
                    f"{_named(data, name, int(k))}: {same.size} of {values.size} different values coincide in "
                    f"{np.dtype(dtype).name}, such as {pair}; {way} or dtype=float64 keeps them apart"
                )
                break
    return lines


def _out_of_range(columns: np.ndarray, dtype: Any) -> tuple[int, str] | None:
    """The feature with the most values that are too large or too small for the type, and the effect."""
    with np.errstate(over="ignore", under="ignore"):
        rounded = columns.astype(dtype)
    small = (columns != 0) & (np.abs(rounded) < np.finfo(dtype).tiny)
    faults = {
        "become inf": (np.isinf(rounded) & np.isfinite(columns), 0.0),
        "become 0": (small & (rounded == 0), FEW),
        "lose digits": (small, FEW),
    }
    for what, (bad, few) in faults.items():
        counts = bad.sum(0)
        k = int(counts.argmax())
        if counts[k] > few * len(columns):
            example = columns[bad[:, k].argmax(), k]
            return k, f"{counts[k]} of {len(columns)} values {what} in {np.dtype(dtype).name}, such as {example:g}"
    return None


def _named(data: Data, name: str, k: int) -> str:
    """A feature, named by its column in the file if known."""
    columns = data.fields[name].features
    return f"dataset: column '{columns[k]}'" if columns else f"dataset: '{name}', feature {k}"
