"""Numbers of the data that the precision of training cannot tell apart."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.data import Data

FEW = 0.01  # share of different values that may coincide unnoticed


def indistinct(data: Data, dtype: Any) -> list[str]:
    """A line for each field of numbers in which some features, far from 0 for their width, lose different values of the
    training split when they are rounded to `dtype`."""
    lines = []
    for name, about in data.fields.items():
        a = data.splits["train"][name]
        if about.kind != "real" or not a.size or np.dtype(dtype).itemsize >= a.dtype.itemsize:
            continue
        columns = a.reshape(-1, a.shape[-1]) if about.axes.endswith("F") else a.reshape(-1, 1)
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


def _named(data: Data, name: str, k: int) -> str:
    """A feature, by its column in the file where it is known."""
    columns = getattr(data.encoding, "columns", {}).get(name, ())
    return f"dataset: column '{columns[k]}'" if columns else f"dataset: '{name}', feature {k}"
