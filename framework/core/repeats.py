"""The keys that repeat a training: jobs that differ only in these are averaged, in tables, figures and searches."""

from __future__ import annotations

from collections.abc import Iterable

REPEATS = ("seed", "fold", "dataset.seed")
NAMES: dict[tuple[str, ...], str] = {("seed",): "seeds", ("fold",): "folds", ("dataset.seed",): "dataset seeds"}


def name_of_repeats(keys: Iterable[str]) -> str:
    """What jobs of a group differ in: seeds, folds, dataset seeds; runs, if in several keys."""
    found = tuple(key for key in REPEATS if key in set(keys))
    return NAMES.get(found, "runs" if found else "seeds")
