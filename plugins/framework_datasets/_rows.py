"""Splits rows into training, validation and test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from framework import DataError, split_at_random


def share_out(
    path: str, n: int, rng: np.random.Generator, val: float, test: float, what: str = "row"
) -> dict[str, np.ndarray]:
    """split -> the indices of its rows, drawn at random.

    Raises:
        DataError: as `sizes_of`.
    """
    sizes_of(path, n, val, test, what)
    parts = split_at_random({"row": np.arange(n)}, rng, val, test)
    return {split: part["row"] for split, part in parts.items()}


def sizes_of(path: str, n: int, val: float, test: float, what: str = "row") -> dict[str, int]:
    """The numbers of rows of val and test. At least two rows train, and every other configured split has one.

    Args:
        what: the name of a row, for the message.

    Raises:
        DataError: there are too few rows for that.
    """
    fractions_of = {"val": val, "test": test}
    sizes = {split: round(fraction * n) for split, fraction in fractions_of.items()}
    if n - sum(sizes.values()) < 2 or any(fractions_of[split] and not sizes[split] for split in fractions_of):
        fractions = " and ".join(f"dataset.{split}={fraction}" for split, fraction in fractions_of.items() if fraction)
        raise DataError(
            f"{path}: {n} {what}{' is' if n == 1 else 's are'} too few to split: "
            f"{fractions or 'training'} would leave {max(n - sum(sizes.values()), 0)} for training, {sizes['val']} for "
            f"validation and {sizes['test']} for the test; add {what}s or change these fractions"
        )
    return sizes


def keep_rare(
    parts: Mapping[str, np.ndarray], values: Sequence[np.ndarray], groups: np.ndarray | None = None
) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """split -> rows, with every value in the training split: of a missing value, the first row moves there. And
    split -> the number of rows that left it. If a split would lose more than half of its rows, no row moves.

    Args:
        values: arrays (n, ...) of labels or categories, each checked separately.
        groups: (n,) the group of each row, whose rows move together.
    """
    out = dict(parts)
    for a in values:
        for value in np.setdiff1d(a, a[out["train"]]):
            if (a[out["train"]] == value).any():
                continue  # it moved with the row of another value
            row = np.flatnonzero((a == value).reshape(len(a), -1).any(1))[:1]
            moving = row if groups is None else np.flatnonzero(groups == groups[row])
            out = {split: rows[~np.isin(rows, moving)] for split, rows in out.items()}
            out["train"] = np.append(out["train"], moving)
    moved = {split: rows.size - out[split].size for split, rows in parts.items() if split != "train"}
    if any(2 * n > parts[split].size for split, n in moved.items()):
        return dict(parts), {}
    return out, {split: n for split, n in moved.items() if n}


def moved_line(moved: Mapping[str, int], what: str, row: str = "row") -> tuple[str, ...]:
    """A line on rows that were moved, if there are any."""
    n = sum(moved.values())
    listed = ", ".join(f"{count} of {split}" for split, count in moved.items())
    if not n:
        return ()
    return (
        f"{n} {row}{'' if n == 1 else 's'} moved to the training split ({listed}), which had no {row} with their {what}",
    )
