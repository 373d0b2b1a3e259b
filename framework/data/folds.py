"""`Fold`: one part of the examples of a cross-validation, which validates while the others train."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from framework.core.errors import DataError
from framework.core.random import generator
from framework.data.dataset import Data

BORROWED = -1  # in `Data.rows`: a row of another fold


@dataclass(frozen=True)
class Fold:
    """Fold k of K: it validates, and the other K - 1 train. Test rows stay as they are.

    The rows of each class are dealt out one by one (stratified), so that the folds differ by at most one row per class.
    Folds of one size train in one stack. A fold that is one row short therefore borrows a row of another fold: that row
    validates in both. Groups stay together; their folds are as equal as possible, and borrow nothing.

    Attributes:
        number: k, from 0.
        count: K, at least 2.
        seed: decides which rows a fold has; the folds of one seed belong together.
    """

    number: int
    count: int
    seed: int

    def divide(
        self, parts: Mapping[str, np.ndarray], labels: np.ndarray | None = None, groups: np.ndarray | None = None
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """split -> rows, with those of train and val divided again, and which rows of val are the fold's own.

        Args:
            labels: the class of every row, counted over all splits.
            groups: the group of every row; rows of a group share a fold.

        Raises:
            DataError: there are fewer rows, or groups, than folds.
        """
        rows = np.sort(np.concatenate([parts[split] for split in ("train", "val") if split in parts]))
        rows = generator(self.seed, "folds").permutation(rows)
        found = len(rows) if groups is None else len(np.unique(groups[rows]))
        if found < self.count:
            raise DataError(
                f"folds: {found} {'rows' if groups is None else 'groups'} cannot be divided into {self.count} folds"
            )
        held, own = self._dealt(rows, labels) if groups is None else self._grouped(rows, groups)
        split = {"train": rows[~np.isin(rows, held)], "val": held}
        return {**split, **{name: a for name, a in parts.items() if name not in split}}, own

    def _dealt(self, rows: np.ndarray, labels: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        ordered = rows if labels is None else rows[np.argsort(labels[rows], kind="stable")]
        places = np.arange(self.number, self.number + -(-len(rows) // self.count) * self.count, self.count)
        return ordered[places % len(rows)], places < len(rows)

    def _grouped(self, rows: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The largest group first, always into the smallest fold."""
        names, sizes = np.unique(groups[rows], return_counts=True)
        folds, place = np.zeros(self.count, int), np.zeros(len(names), int)
        for i in np.argsort(-sizes, kind="stable"):
            place[i] = folds.argmin()
            folds[place[i]] += sizes[i]
        held = rows[place[np.searchsorted(names, groups[rows])] == self.number]
        return held, np.ones(len(held), bool)


def folded(data: Data, fold: Fold) -> Data:
    """A data set whose training and validation examples are divided again, for data sets that do not do so themselves.

    Raises:
        DataError: its examples have an order, or there are too few.
    """
    if data.stateful or data.forecast:
        raise DataError(
            f"folds: the examples of '{data.name}' continue one another, so a fold would train on what comes after it; "
            "use its own split in time"
        )
    sizes = {split: len(next(iter(fields.values()))) for split, fields in data.splits.items() if split in ("train", "val")}
    ends = np.cumsum(list(sizes.values()))
    parts = {split: np.arange(end - sizes[split], end) for split, end in zip(sizes, ends, strict=True)}
    joined = {name: np.concatenate([data.splits[split][name] for split in sizes]) for name in data.fields}
    labels = next((joined[name] for name, f in data.fields.items() if f.kind == "label" and f.axes == "N"), None)
    divided, own = fold.divide(parts, labels)
    splits = {split: {name: a[rows] for name, a in joined.items()} for split, rows in divided.items()}
    kept = {split: fields for split, fields in data.splits.items() if split not in splits}
    return replace(data, splits={**splits, **kept}, rows={"val": np.where(own, divided["val"], BORROWED)})


__all__ = ["BORROWED", "Fold", "folded"]
