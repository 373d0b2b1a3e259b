"""Cuts a long series into windows, with targets one step ahead, and into splits that do not overlap."""

from __future__ import annotations

import numpy as np


def ahead(series: np.ndarray, length: int, stride: int, val: float, test: float) -> dict[str, dict[str, np.ndarray]]:
    """split -> x, y (n, length, ...): windows of a series (n, ...), and the same windows one step later.

    The series is cut first, into training, validation and test in this order, so that no window reaches into another split.

    Args:
        stride: distance between the starts of windows.

    Raises:
        ValueError: a split is too short for a window and the step after it.
    """
    n = series.shape[0]
    n_val, n_test = round(val * n), round(test * n)
    ends = {"train": n - n_val - n_test, "val": n - n_test, "test": n}
    begins = {"train": 0, "val": ends["train"], "test": ends["val"]}
    out = {}
    for split, fraction in {"train": True, "val": val, "test": test}.items():
        part = series[begins[split] : ends[split]]
        if fraction:
            if part.shape[0] <= length:
                raise ValueError(
                    f"length: {length} steps and the next one do not fit into the {part.shape[0]} of the {split} "
                    "split; use shorter windows, a longer series, or another val and test"
                )
            out[split] = {"x": windows(part[:-1], length, stride), "y": windows(part[1:], length, stride)}
    return out


def check_gaps(stateful: bool, length: int, stride: int | None) -> None:
    """Check that stateful windows have no gaps.

    Raises:
        ValueError: a window does not start where the previous one ends.
    """
    if stateful and stride not in (None, length):
        raise ValueError(
            f"stateful: windows must follow each other without gaps; set stride to {length} or null (got {stride})"
        )


def windows(series: np.ndarray, length: int, stride: int) -> np.ndarray:
    """All complete windows (n, length, ...) of a series, from the first step on."""
    starts = np.arange(0, series.shape[0] - length + 1, stride)
    return series[starts[:, None] + np.arange(length)]


def padded(sentences: list[list[int]], steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Ids (n, steps) with 0 after the end of shorter ones, and a mask (n, steps) of the words."""
    lengths = np.array([len(sentence) for sentence in sentences])
    mask = np.arange(steps) < lengths[:, None]
    ids = np.zeros(mask.shape, int)
    ids[mask] = np.concatenate([np.array(sentence, int) for sentence in sentences])
    return ids, mask.astype(float)


def delayed(y: np.ndarray, start: int) -> np.ndarray:
    """The input of a decoder in training (teacher forcing): a start symbol, then the targets (n, T) one step late."""
    return np.concatenate([np.full_like(y[:, :1], start), y[:, :-1]], 1)
