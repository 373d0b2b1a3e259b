"""Splits rows by class, by group, or in their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from framework import DataError
from framework_datasets._rows import share_out, sizes_of

Split = Literal["stratified", "random", "time"]
Parts = dict[str, np.ndarray]
SPLIT_HELP = "stratified: each class has its share of val and test; random; time: the last rows are for val and test"


def stratified(path: str, labels: np.ndarray, rng: np.random.Generator, val: float, test: float) -> Parts:
    """split -> its rows: of every class the fractions `val` and `test`, rounded so that their sums fit. At least one row of
    each class trains.

    Args:
        labels: (n,) the class of each row.
    """
    n = len(labels)
    sizes_of(path, n, val, test)
    order = rng.permutation(n)
    counts = np.bincount(labels)
    numbers = np.zeros((2, len(counts)), int)
    for i, fraction in enumerate((val, test)):
        exact = fraction * counts
        numbers[i] = np.minimum(np.floor(exact), np.maximum(counts - numbers.sum(0) - 1, 0))
        wish = exact - numbers[i]
        for k in np.lexsort((-counts, -wish)):  # the largest remainders get the rows that are left
            if numbers[i].sum() < round(fraction * n) and counts[k] - numbers[:, k].sum() > 1:
                numbers[i, k] += 1
    by_class = order[np.argsort(labels[order], kind="stable")]
    rank = np.empty(n, int)  # of a row in its class
    rank[by_class] = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)
    first, both = numbers[0][labels], numbers.sum(0)[labels]
    where = np.where(rank < first, 1, np.where(rank < both, 2, 0))  # 0 train, 1 val, 2 test
    parts = {split: order[where[order] == i] for i, split in enumerate(("train", "val", "test"))}
    if (val and not parts["val"].size) or (test and not parts["test"].size):  # every class has one or two rows
        return share_out(path, n, rng, val, test)
    return {split: rows for split, rows in parts.items() if rows.size}


def rare_line(labels: np.ndarray, names: Sequence[str], parts: Parts) -> tuple[str, ...]:
    """A line on the classes that have too few rows to be in every split."""
    counts = np.bincount(labels)
    rare = [k for k in range(len(counts)) if counts[k] and any(not (labels[rows] == k).any() for rows in parts.values())]
    if not rare:
        return ()
    listed = ", ".join(f"{names[k]}: {counts[k]}" for k in rare[:6]) + (", ..." if len(rare) > 6 else "")
    return (f"{len(rare)} of {len(counts)} classes have too few rows for every split ({listed}); training has them first",)


def by_group(path: str, groups: Sequence[str], rng: np.random.Generator, val: float, test: float) -> Parts:
    """split -> its rows, with all rows of a group in one split. Groups are drawn at random; a split ends where one more
    group would bring it further from its fraction of the rows.

    Raises:
        DataError: there are too few groups.
    """
    names, index = np.unique(np.array(groups), return_inverse=True)
    fractions = {split: fraction for split, fraction in (("val", val), ("test", test)) if fraction}
    if len(names) < 1 + len(fractions):
        raise DataError(
            f"{path}: dataset.group has {len(names)} {'group' if len(names) == 1 else 'groups'}, too few for "
            f"{1 + len(fractions)} splits; set dataset.val and dataset.test to 0, or choose another column"
        )
    order, counts, parts = list(rng.permutation(len(names))), np.bincount(index), {}
    for left, (split, fraction) in zip(range(len(fractions), 0, -1), fractions.items(), strict=True):
        taken = [order.pop(0)]
        wanted = fraction * len(index)
        while len(order) > left and abs(counts[[*taken, order[0]]].sum() - wanted) < abs(counts[taken].sum() - wanted):
            taken.append(order.pop(0))
        parts[split] = taken
    drawn = {"train": order, **parts}
    shuffled = rng.permutation(len(index))
    return {split: shuffled[np.isin(index[shuffled], chosen)] for split, chosen in drawn.items()}


def in_order(path: str, when: np.ndarray, val: float, test: float) -> Parts:
    """split -> its rows in the order of `when` (n,): first those for training, then val, and the last for the test."""
    sizes = sizes_of(path, len(when), val, test)
    rows = np.argsort(when, kind="stable")
    first = len(rows) - sizes["val"] - sizes["test"]
    parts = {"train": rows[:first], "val": rows[first : first + sizes["val"]], "test": rows[first + sizes["val"] :]}
    return {split: part for split, part in parts.items() if part.size}
