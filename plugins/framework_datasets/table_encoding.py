"""How the columns of a table become x and y: decided on the training rows, then the same for every row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from framework import DataError, Field
from framework_datasets.columns import class_indices, is_numbers, label, one_hot, real
from framework_datasets.table import Table, number, read_table

Task = Literal["auto", "classification", "regression"]
MOST_CLASSES = 20  # whole numbers with more different values than this are regression, unless `task` says otherwise
MOST_CATEGORIES = 1000
SPLIT = "is in no row of the training split; put it right, leave it out, or draw another split (dataset.seed)"
NEW = "was in no row of the training split"


@dataclass(frozen=True)
class Feature:
    """A column of the table among the features: numbers as they are (n, 1), or a 0/1 column per category (n, K)."""

    name: str
    categories: tuple[str, ...] | None = None

    def encode(self, table: Table, unseen: str) -> np.ndarray:
        """Its columns of x."""
        if self.categories is None:
            return real(table, self.name)[:, None]
        return one_hot(table, self.name, self.categories, unseen)


@dataclass(frozen=True)
class Target:
    """Columns of numbers as they are (n, k), or one column of labels as indices of classes (n,)."""

    names: tuple[str, ...]
    classes: tuple[str, ...] | None = None

    def encode(self, table: Table, unseen: str) -> np.ndarray:
        """y."""
        if self.classes is None:
            return np.stack([real(table, name) for name in self.names], 1)
        if unseen == SPLIT and number(self.classes[0]) is not None:
            unseen += ", or take the numbers as they are (dataset.task=regression)"
        return class_indices(table, self.names[0], self.classes, unseen)

    @property
    def field(self) -> Field:
        """What y is."""
        return Field("NF") if self.classes is None else Field("N", "label", len(self.classes))


@dataclass(frozen=True)
class TableEncoding:
    """x and y of a table. `read` takes columns by name: their order is free, and others are passed over."""

    features: tuple[Feature, ...]
    target: Target
    delimiter: str

    def encode(self, table: Table, with_target: bool, unseen: str) -> dict[str, np.ndarray]:
        """x (n, F), and y (n,) or (n, k) if asked for.

        Raises:
            DataError: a value is missing or cannot be encoded.
        """
        fields = {"x": np.concatenate([feature.encode(table, unseen) for feature in self.features], 1)}
        return fields | {"y": self.target.encode(table, unseen)} if with_target else fields

    def read(self, path: str | Path, with_target: bool) -> dict[str, np.ndarray]:
        """The rows of a new file, in its order.

        Raises:
            DataError: a column is missing, a category or label is new, or the file has any other fault.
        """
        table = read_table(path, self.delimiter)
        for feature in self.features:
            table.require(feature.name, "a feature that the model reads")
        for name in self.target.names if with_target else ():
            table.require(name, "the target")
        return self.encode(table, with_target, NEW)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"type": "csv", **asdict(self)}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> TableEncoding:
        """What `to_json` told."""

        def names(words: Sequence[str] | None) -> tuple[str, ...] | None:
            return None if words is None else tuple(words)

        features = tuple(Feature(f["name"], names(f["categories"])) for f in told["features"])
        target = Target(tuple(told["target"]["names"]), names(told["target"]["classes"]))
        return cls(features, target, told["delimiter"])


def fit_features(table: Table, names: Sequence[str], train: np.ndarray) -> tuple[Feature, ...]:
    """
    Args:
        train: the rows of the training split.

    Raises:
        DataError: a column mixes numbers and text, is constant on the training split, or has too many categories.
    """
    features, constant = [], []
    for name in names:
        numbers = is_numbers(table, name)
        seen = {(number(word) if numbers else word) for word in _words(table, name, train)}
        if len(seen) == 1:
            constant.append(name)
        if not numbers and len(seen) > MOST_CATEGORIES:
            raise DataError(
                f"{table.path}: column '{name}' has {len(seen)} different words, and one-hot columns for at most "
                f"{MOST_CATEGORIES} are made; leave it out: dataset.drop=[{name}]"
            )
        features.append(Feature(name, None if numbers else tuple(sorted(map(str, seen)))))
    if constant:
        word = table.columns[constant[0]][train[0]]
        raise DataError(
            f"{table.path}: column '{constant[0]}' is constant on the training split: '{word}' in every row, from line "
            f"{table.lines[train.min()]} on; it tells nothing, so leave it out: dataset.drop=[{','.join(constant)}]"
        )
    return tuple(features)


def fit_target(table: Table, names: Sequence[str], task: Task, train: np.ndarray) -> Target:
    """
    Args:
        task: auto makes words, and whole numbers with at most 20 different values, labels.
        train: the rows of the training split.

    Raises:
        DataError: the target does not fit the task, or there is one class only.
    """
    if len(names) > 1 and task == "classification":
        raise DataError(
            f"{table.path}: dataset.target: {len(names)} columns; labels stand in one, several are for regression"
        )
    numbers = [is_numbers(table, name) for name in names]
    if len(names) > 1 or task == "regression":
        if not all(numbers):
            name = names[numbers.index(False)]
            raise table.fault(0, name, f"'{table.columns[name][0]}' is text, and regression is about numbers")
        return Target(tuple(names))
    if numbers[0] and not _are_labels(table, names[0], task):
        return Target(tuple(names))
    words = {label(word) for word in table.columns[names[0]]}
    if len(words) == 1:
        raise DataError(
            f"{table.path}: column '{names[0]}' holds one class only: '{words.pop()}' in every row, from line "
            f"{table.lines[0]} on; a classifier needs two"
        )
    seen = {label(word) for word in _words(table, names[0], train)}
    return Target(tuple(names), tuple(sorted(seen, key=int if numbers[0] else None)))


def _are_labels(table: Table, name: str, task: Task) -> bool:
    """Whether a column of numbers is one of labels."""
    values = real(table, name)
    broken = np.flatnonzero(values != np.round(values))
    if task == "auto":
        return not broken.size and len(np.unique(values)) <= MOST_CLASSES
    if broken.size:
        word = table.columns[name][broken[0]]
        raise table.fault(
            int(broken[0]), name, f"'{word}' is no label: words and whole numbers are (dataset.task=regression?)"
        )
    return True


def _words(table: Table, name: str, rows: np.ndarray) -> list[str]:
    column = table.columns[name]
    return [column[row] for row in rows]
