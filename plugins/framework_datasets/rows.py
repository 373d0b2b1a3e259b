"""Which rows train, validate and test."""

from __future__ import annotations

import numpy as np

from framework import DataError, split_at_random


def share_out(path: str, n: int, rng: np.random.Generator, val: float, test: float) -> dict[str, np.ndarray]:
    """split -> the numbers of its rows, drawn at random. At least two train, and one is in each other split asked for.

    Raises:
        DataError: there are too few rows for that.
    """
    asked = {"val": val, "test": test}
    sizes = {split: round(fraction * n) for split, fraction in asked.items()}
    if n - sum(sizes.values()) < 2 or any(asked[split] and not sizes[split] for split in asked):
        fractions = " and ".join(f"dataset.{split}={fraction}" for split, fraction in asked.items() if fraction)
        raise DataError(
            f"{path}: {n} {'row is' if n == 1 else 'rows are'} too few to split: "
            f"{fractions or 'training'} would leave {max(n - sum(sizes.values()), 0)} for training, {sizes['val']} for "
            f"validation and {sizes['test']} for the test; add rows or change these fractions"
        )
    parts = split_at_random({"row": np.arange(n)}, rng, val, test)
    return {split: part["row"] for split, part in parts.items()}
