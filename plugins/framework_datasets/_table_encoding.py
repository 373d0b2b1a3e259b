"""Encodes the columns of a table as x and y: fitted on the training rows, then applied to every row."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from framework import DataError, Field
from framework_datasets._columns import class_indices, label, like_numbers, numbers, one_hot, real
from framework_datasets._missing import fill_line, without
from framework_datasets._table import Format, Table, number, read_table, shown
from framework_datasets._weights import weights_of

Task = Literal["auto", "classification", "regression"]
MOST_CLASSES = 20  # integers with more different values than this mean regression, unless `task` is set
MOST_CATEGORIES = 1000
SPLIT = "is in no row of the training split; correct it, leave it out, or draw another split (dataset.seed)"
NEW = "was in no row of the training split"


@dataclass(frozen=True)
class Feature:
    """A feature column: numbers unchanged (n, 1), or a 0/1 column per category (n, K); `whole` if the categories are
    numbers, of which 3 and 3.0 are the same."""

    name: str
    categories: tuple[str, ...] | None = None
    whole: bool = False

    def encode(self, table: Table, unseen: str) -> np.ndarray:
        """The columns of x for this feature."""
        if self.categories is None:
            return real(table, self.name)[:, None]
        words = table.columns[self.name]
        return one_hot(table, self.name, [category(w) for w in words] if self.whole else words, self.categories, unseen)


@dataclass(frozen=True)
class Target:
    """Target columns: numbers unchanged (n, k); one column of labels as indices of classes (n,); or several labels at once,
    each a column of 0 and 1 (n, k)."""

    names: tuple[str, ...]
    classes: tuple[str, ...] | None = None
    several: bool = False

    def encode(self, table: Table, unseen: str) -> np.ndarray:
        """y."""
        if self.several:
            check_labels_at_once(table, self.names)
            return np.stack([real(table, name) for name in self.names], 1).astype(int)
        if self.classes is None:
            return np.stack([real(table, name) for name in self.names], 1)
        if unseen == SPLIT and number(self.classes[0]) is not None:
            unseen += ", or use the numbers unchanged (dataset.task=regression)"
        return class_indices(table, self.names[0], self.classes, unseen)

    @property
    def field(self) -> Field:
        """The declaration of y."""
        if self.several:
            return Field("NF", "label", len(self.names), self.names)
        return Field("NF", features=self.names) if self.classes is None else Field("N", "label", len(self.classes))


@dataclass(frozen=True)
class TableEncoding:
    """The encoding of x and y. `read` finds columns by name: their order is free, and others are ignored.

    Attributes:
        format: the format of a new file.
        fills: column -> replacement for a missing value; empty if rows with missing values are left out.
        weight: the column with the weights of rows, for losses and metrics; empty if all count the same.
    """

    features: tuple[Feature, ...]
    target: Target
    format: Format = field(default_factory=Format)
    fills: Mapping[str, str] = field(default_factory=dict)
    weight: str = ""

    @property
    def fields(self) -> dict[str, Field]:
        """The declarations of x and y, with the names of the features: weight, kind=dog."""
        named = [f.name if c is None else f"{f.name}={c}" for f in self.features for c in f.categories or (None,)]
        return {"x": Field("NF", features=tuple(named)), "y": self.target.field}

    def encode(self, table: Table, with_target: bool, unseen: str) -> dict[str, np.ndarray]:
        """x (n, F), and y (n,) or (n, k) if `with_target`.

        Raises:
            DataError: a value is missing or cannot be encoded.
        """
        fields = {"x": np.concatenate([feature.encode(table, unseen) for feature in self.features], 1)}
        if not with_target:
            return fields
        weighted = self.weight and self.weight in table.columns
        mask = {"mask": weights_of(table, self.weight)} if weighted else {}
        return fields | {"y": self.target.encode(table, unseen)} | mask

    def read(self, path: str | Path, with_target: bool) -> dict[str, np.ndarray]:
        """The rows of a new file, in its order.

        Raises:
            DataError: a column is missing, a category or label is new, or the file has another error.
        """
        return self.encode(self._complete(path, with_target)[0], with_target, NEW)

    def notes(self, path: str | Path, with_target: bool) -> tuple[str, ...]:
        """Notes on missing values and weights in a file that `read` reads, one line each."""
        if self.format.missing is None and not (with_target and self.weight):
            return ()
        table, notes = self._complete(path, with_target)
        if with_target and self.weight and self.weight not in table.columns:
            notes = (*notes, f"there is no column '{shown(self.weight)}', so that all rows have the same weight")
        return notes

    def _complete(self, path: str | Path, with_target: bool) -> tuple[Table, tuple[str, ...]]:
        """A new file's rows without missing values. A row is left out only with a missing target: a prediction has a row
        for each row of the file."""
        table = read_table(path, self.format)
        for feature in self.features:
            table.require(feature.name, "a feature that the model reads")
        for name in self.target.names if with_target else ():
            table.require(name, "the target")
        if self.format.missing is None:
            return table, ()
        needed = [] if self.fills else [feature.name for feature in self.features]
        notes: tuple[str, ...] = ()
        if with_target:
            table, notes = without(table, [*self.target.names, *needed], "a value")
        for name in needed:
            if "" in table.columns[name]:
                text = (
                    "the cell is empty, but every row gets a prediction; leave the row out, or train with dataset.fill=mean"
                )
                raise table.fault(table.columns[name].index(""), name, text)
        return table.filled(self.fills), (*notes, *fill_line(table, self.fills))

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        values = {key: value for key, value in asdict(self).items() if key != "format"}
        return {"type": "csv", **values, **self.format.to_json()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> TableEncoding:
        """The encoding that `to_json` returned."""

        def names(words: Sequence[str] | None) -> tuple[str, ...] | None:
            return None if words is None else tuple(words)

        features = tuple(Feature(f["name"], names(f["categories"]), f.get("whole", False)) for f in values["features"])
        given = values["target"]
        target = Target(tuple(given["names"]), names(given["classes"]), given.get("several", False))
        return cls(
            features,
            target,
            Format.from_json({"encoding": "utf-8", **values}),
            values.get("fills", {}),
            values.get("weight", ""),
        )


def fit_features(
    table: Table, names: Sequence[str], train: np.ndarray, dropped: Sequence[str], categories: Sequence[str] = ()
) -> tuple[Feature, ...]:
    """The encoding of the features.

    Args:
        train: the rows of the training split.
        dropped: the columns that are left out already, for the message.
        categories: the columns whose numbers are categories.

    Raises:
        DataError: a column mixes numbers and text, is constant on the training split, or has too many categories.
    """
    features, constant, texts = [], [], []
    for name in names:
        whole = name in categories
        values = None if whole else numbers(table, name)
        words = [category(word) for word in table.columns[name]] if whole else table.columns[name]
        seen = np.unique(values[train]) if values is not None else in_their_order({words[row] for row in train})
        if len(seen) == 1:
            constant.append(name)
        if values is None and not whole and (len(seen) > MOST_CATEGORIES or not set(words) <= set(seen)):
            _check_like_numbers(table, name, dropped)
            texts += [name] if len(seen) > MOST_CATEGORIES or _is_text(words) else []
        features.append(Feature(name, None if values is not None else tuple(seen), whole))
    if texts:
        many = len(set(table.columns[texts[0]]))
        more = f", and so {'has' if len(texts) == 2 else 'have'} {', '.join(map(shown, texts[1:]))}" if texts[1:] else ""
        raise DataError(
            f"{table.path}: column '{shown(texts[0])}' has {many} different texts in {len(table)} rows{more}; 0/1 columns "
            f"are for categories that occur again (at most {MOST_CATEGORIES}); leave it out: {_dropping([*dropped, *texts])}"
        )
    if constant:
        word = table.columns[constant[0]][train[0]]
        raise DataError(
            f"{table.path}: column '{shown(constant[0])}' is constant on the training split: '{shown(word)}' in every row, "
            f"from line {table.lines[train.min()]} on; leave it out: {_dropping([*dropped, *constant])}"
        )
    return tuple(features)


def _is_text(words: Sequence[str]) -> bool:
    """Whether most of the different words of a column occur once."""
    counts = Counter(words)
    return 2 * sum(count == 1 for count in counts.values()) > len(counts)


def _check_like_numbers(table: Table, name: str, dropped: Sequence[str]) -> None:
    """Check that the words of a feature are categories.

    Raises:
        DataError: they are dates or similar.
    """
    if kind := like_numbers(table.columns[name]):
        out = f"leave the column out: {_dropping([*dropped, name])}"
        text = f"'{shown(table.columns[name][0])}' is text ({kind}), not a number; use plain numbers, or {out}"
        raise table.fault(0, name, text)


def _dropping(names: Sequence[str]) -> str:
    """The override that leaves columns out, quoted for a shell."""
    plain = all(re.fullmatch(r"(?!(null|true|false|nan|inf)$)[A-Za-z_]\w*", name, re.A | re.I) for name in names)
    quoted = (json.dumps(name, ensure_ascii=False) for name in names)
    return f"dataset.drop=[{','.join(names)}]" if plain else f"'dataset.drop=[{','.join(quoted)}]'"


def fit_target(table: Table, names: Sequence[str], task: Task, train: np.ndarray) -> Target:
    """The encoding of the target.

    Args:
        task: with auto, words and integers with at most 20 different values are labels, and several columns of 0 and 1 are
            labels of which several may hold at once.
        train: the rows of the training split.

    Raises:
        DataError: the target does not fit the task, or there is a single class.
    """
    if len(names) > 1 and task == "classification":
        check_labels_at_once(table, names)
    values = {name: numbers(table, name) for name in names}
    if len(names) > 1 or task == "regression":
        for name in names:
            if values[name] is None:
                raise table.fault(0, name, f"'{shown(table.columns[name][0])}' is text, but regression needs numbers")
        bits = all(own is not None and np.isin(own, (0, 1)).all() for own in values.values())
        return Target(tuple(names), several=task != "regression" and len(names) > 1 and bits)
    (name,), (own,) = names, values.values()
    if own is not None and not are_labels(table, name, own, task):
        return Target((name,))
    kind = like_numbers(table.columns[name]) if own is None and task == "auto" else None
    if kind:
        raise table.fault(
            0,
            name,
            f"'{shown(table.columns[name][0])}' is text ({kind}); use plain numbers, or the words as classes "
            "(dataset.task=classification)",
        )
    if len(words := {label(word) for word in table.columns[name]}) == 1:
        written = [f"'{shown(word)}'" for word in dict.fromkeys(table.columns[name])]
        alike = f", written {' and '.join(written[:2])}, which are the same number" if len(written) > 1 else ""
        raise DataError(
            f"{table.path}: column '{name}' holds a single class, '{shown(words.pop())}' in every row{alike}, from line "
            f"{table.lines[0]} on; a classifier needs at least two"
        )
    seen = {label(word) for word in _words(table, name, train)}
    return Target((name,), tuple(sorted(seen, key=None if own is None else int)))


def check_labels_at_once(table: Table, names: Sequence[str]) -> None:
    """Check that the columns of labels of which several may hold at once are 0 or 1.

    Raises:
        DataError: a value is not.
    """
    for name in names:
        for row, word in enumerate(table.columns[name]):
            if number(word) not in (0, 1):
                text = f"'{shown(word)}' is not 0 or 1; several columns of labels hold 1 where the label applies"
                raise table.fault(row, name, f"{text}; dataset.task=regression reads numbers")


def category(word: str) -> str:
    """The name of a category: 3 and 3.0 are the same."""
    return re.sub(r"^([+-]?\d+)\.0*$", r"\1", word)


def in_their_order(words: Collection[str]) -> list[str]:
    """Categories in the order of their numbers, if all are numbers, otherwise of the alphabet."""
    values = {word: number(word) for word in words}
    return sorted(words) if None in values.values() else sorted(words, key=lambda word: (values[word], word))


def rare_values(
    table: Table, targets: Sequence[str], features: Sequence[str], task: Task, categories: Sequence[str] = ()
) -> list[np.ndarray]:
    """The labels (n,) and categories (n,) of a table, as numbers; each must be in the training split."""
    found = [list(map(category, table.columns[name])) for name in categories]
    found += [list(table.columns[name]) for name in features if name not in categories and numbers(table, name) is None]
    known = class_labels(table, targets, task)
    return [*(np.unique(np.array(words), return_inverse=True)[1] for words in found), *([known[1]] if known else [])]


def class_labels(table: Table, targets: Sequence[str], task: Task) -> tuple[list[str], np.ndarray] | None:
    """The classes of a table, and (n,) the class of each row; None if it has no classes."""
    if len(targets) > 1 or task == "regression":
        return None
    own = numbers(table, targets[0])
    if own is not None and not are_labels(table, targets[0], own, task):
        return None
    names, index = np.unique(np.array(list(map(label, table.columns[targets[0]]))), return_inverse=True)
    return names.tolist(), index


def are_labels(table: Table, name: str, values: np.ndarray, task: Task) -> bool:
    """Whether a column of numbers holds labels."""
    fractions = np.flatnonzero(values != np.round(values))
    if task == "auto":
        return not fractions.size and len(np.unique(values)) <= MOST_CLASSES
    if fractions.size:
        row = int(fractions[0])
        word = table.columns[name][row]
        raise table.fault(row, name, f"'{word}' is a fraction, not a label; did you mean dataset.task=regression?")
    return True


def _words(table: Table, name: str, rows: np.ndarray) -> list[str]:
    column = table.columns[name]
    return [column[row] for row in rows]
