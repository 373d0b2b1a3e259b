"""The roles of a table's columns, and how its rows are split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from framework import DataError
from framework_datasets._columns import moments
from framework_datasets._rows import keep_rare, moved_line, share_out
from framework_datasets._splits import Parts, Split, by_group, in_order, rare_line, stratified
from framework_datasets._table import Table
from framework_datasets._table_encoding import Task, class_labels, rare_values


def roles_of(
    table: Table,
    target: str | list[str],
    chosen: list[str] | None,
    drop: Sequence[str],
    categories: Sequence[str],
    others: Mapping[str, str | None],
) -> tuple[list[str], list[str]]:
    """The target columns and the feature columns.

    Args:
        chosen: the features; None: all columns without another role.
        others: key -> the column of another role.

    Raises:
        DataError: a column does not exist or has two roles, or no feature is left.
    """
    targets = list(dict.fromkeys([target] if isinstance(target, str) else target))
    more = {key: [name] for key, name in others.items() if name is not None}
    roles = {"target": targets, "features": chosen or [], "drop": drop, "categories": categories, **more}
    for key, names in roles.items():
        for name in names:
            table.require(name, f"dataset.{key}")
    apart = [("target", key) for key in ("features", "drop", "group", "weight")]
    for one, other in [*apart, ("features", "group"), ("features", "weight")]:
        for name in {*roles[one]} & {*roles.get(other, ())}:
            raise DataError(f"{table.path}: column '{name}' is in dataset.{one} and in dataset.{other}; choose one")
    hidden = [*targets, *drop, *(name for names in more.values() for name in names if chosen is None)]
    features = [name for name in dict.fromkeys(table.columns if chosen is None else chosen) if name not in hidden]
    if not features or not targets:
        raise DataError(f"{table.path}: no column is left for {'the features' if targets else 'dataset.target'}")
    for name in categories:
        if name not in features:
            raise DataError(f"{table.path}: column '{name}' is in dataset.categories, but it is no feature")
    return targets, features


@dataclass(frozen=True)
class RowSplit:
    """How the rows of a table are split.

    Attributes:
        split, group, order, val, test: options of the data set.
    """

    split: Split
    group: str | None
    order: str | None
    val: float
    test: float

    def parts(self, table: Table, targets: list[str], task: Task, rng: np.random.Generator) -> tuple[Parts, tuple[str, ...]]:
        """split -> its rows, and a line on classes that are too rare for all of them.

        Raises:
            DataError: the options contradict each other, or there are too few rows.
        """
        path, shares = table.path, (self.val, self.test)
        if self._in_order:
            if self.group is not None:
                other = "dataset.split=time" if self.order is None else "dataset.order"
                raise DataError(f"{path}: dataset.group and {other} cannot both split the rows; choose one")
            if self.order is not None and self.split == "random":
                raise DataError(f"{path}: dataset.split=random does not go with dataset.order; leave one out")
            when = np.arange(len(table)) if self.order is None else moments(table, self.order)
            return in_order(path, when, *shares), ()
        if self.group is not None:
            groups = table.columns[self.group]
            if "" in groups:
                raise table.fault(groups.index(""), self.group, "the cell is empty; every row needs a group")
            return by_group(path, groups, rng, *shares), ()
        known = class_labels(table, targets, task) if self.split == "stratified" else None
        if known is None:
            return share_out(path, len(table), rng, *shares), ()
        parts = stratified(path, known[1], rng, *shares)
        return parts, rare_line(known[1], known[0], parts)

    def completed(
        self, table: Table, parts: Parts, targets: list[str], features: list[str], task: Task, categories: Sequence[str]
    ) -> tuple[Parts, tuple[str, ...]]:
        """The splits with every label and category in training, unless they are in order, and a line on rows that moved."""
        if self._in_order:
            return parts, ()
        groups = None if self.group is None else np.array(table.columns[self.group])
        parts, moved = keep_rare(parts, rare_values(table, targets, features, task, categories), groups)
        return parts, moved_line(moved, "label or category")

    def divided(self, table: Table, parts: Parts, targets: list[str], task: Task, fold: Any) -> tuple[Parts, np.ndarray]:
        """split -> its rows in a fold of a cross-validation, and which rows of val are its own; groups stay together.

        Raises:
            DataError: the rows are in order of time, or too few.
        """
        if self._in_order:
            option = "dataset.split=time" if self.order is None else "dataset.order"
            raise DataError(f"{table.path}: {option} does not go with folds, which would train on what comes later")
        known = class_labels(table, targets, task) if self.split == "stratified" else None
        groups = None if self.group is None else np.array(table.columns[self.group])
        divided: tuple[Parts, np.ndarray] = fold.divide(parts, known[1] if known else None, groups)
        return divided

    @property
    def _in_order(self) -> bool:
        return self.order is not None or self.split == "time"
