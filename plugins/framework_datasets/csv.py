from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from framework import Data, DataError, Field, option
from framework_datasets._columns import moments
from framework_datasets._files import sample
from framework_datasets._missing import Fill, fit_fills, without
from framework_datasets._rows import keep_rare, moved_line, share_out
from framework_datasets._splits import SPLIT_HELP, Split, by_group, in_order, rare_line, stratified
from framework_datasets._table import Decimal, Format, Header, Missing, Table, read_table
from framework_datasets._table_encoding import (
    SPLIT,
    TableEncoding,
    Task,
    class_labels,
    fit_features,
    fit_target,
    rare_values,
)
from framework_datasets._table_words import feature_words, header_lines, target_words


@dataclass(frozen=True)
class Csv:
    """Your own table: a UTF-8 text whose first line names the columns, one example per row.

    Fields: x (n, F): a column of numbers as it is, a column of strings as one 0/1 column per category. The categories
    are those of the training split, in alphabetical order; columns are in the order of `features` or of the file. y
    (n,) is the class, an index into the sorted labels, or y (n, k) numbers, one column per target; several columns of 0
    and 1 are labels of which several may hold at once (sigmoid and binary cross-entropy, not softmax). Rows are drawn
    by `dataset.seed`, so that each class has its share of every split. With `group` all rows of a group are in one split.
    With `order`, or `split=time`, the last rows are for val and test. If no training row has a class or category, one row
    of it (with `group` its group) moves to the training split.
    `missing` and `fill` allow missing values: rows with one are left out, or features are filled in from the training
    split. A column of numbers gets its mean or median, a column of strings its most frequent string. Features are
    scaled (`dataset.scale=standard`) if one of them is a number; `dataset.scale=none` reads them unchanged.
    """

    shared_defaults: ClassVar[Mapping[str, Any]] = {"scale": "auto", "scale_targets": True}
    path: str = option(help="the file, relative to the current folder")
    target: str | list[str] = option(help="the column to predict; or several columns of numbers or labels")
    features: list[str] | None = option(None, help="the columns to predict from; null: all others")
    drop: list[str] = option(list, help="columns to leave out, also of `features`")
    delimiter: str = option(",", help="delimiter of fields: a character, comma, semicolon, tab, bar; auto detects it")
    decimal: Decimal = option("point", help="the decimal sign; comma: 1,5 and 1.234,5")
    header: Header = option(True, help="whether the first line names the columns; false: c0, c1, ...; or a list of names")
    missing: Missing = option(
        None, help="strings for a missing value, besides empty cells: [] or [?,NA]; null: no missing values"
    )
    fill: Fill = option(None, help="missing features are filled in from the training split; null: such rows are left out")
    task: Task = option("auto", help="auto: strings, and integers with at most 20 different values, are labels")
    split: Split = option("stratified", help=SPLIT_HELP)
    group: str | None = option(None, help="a column: all rows with the same value are in one split")
    order: str | None = option(None, help="a column of numbers or dates: the last rows in its order are for val and test")
    val: float = option(0.2, least=0, below=1, help="fraction for validation")
    test: float = option(0.2, least=0, below=1, help="fraction for the test")

    def load(self, rng: np.random.Generator) -> Data:
        table = read_table(self.path, Format.of(self.delimiter, self.decimal, self.header, self._missing))
        targets, features = self._roles(table)
        head = header_lines(table, self.header)
        table, left_out = self._complete(table, targets, features)
        parts, rare = self._split(table, targets, rng)
        fills: dict[str, str] = {}
        filled: tuple[str, ...] = ()
        if self.fill is not None:
            fills, filled = fit_fills(table, features, parts["train"], self.fill)
            table = table.filled(fills)
        moved: dict[str, int] = {}
        if self.order is None and self.split != "time":
            values = rare_values(table, targets, features, self.task)
            parts, moved = keep_rare(parts, values, None if self.group is None else np.array(table.columns[self.group]))
        encoding = TableEncoding(
            fit_features(table, features, parts["train"], self.drop),
            fit_target(table, targets, self.task, parts["train"]),
            Format.of(self.delimiter, self.decimal, self.header, self._missing),
            fills,
        )
        whole = encoding.encode(table, True, SPLIT)
        splits = {split: {name: a[rows] for name, a in whole.items()} for split, rows in parts.items()}
        fields = {"x": Field("NF"), "y": encoding.target.field}
        taken = f"{target_words(table, encoding.target, self.task)}; {feature_words(table, encoding.features)}"
        notes = (f"{self.path}: {taken}", *head, *left_out, *filled, *rare, *moved_line(moved, "label or category"))
        numeric = any(feature.categories is None for feature in encoding.features)
        return Data(
            splits,
            fields,
            names=encoding.target.classes or (),
            encoding=encoding,
            scale="standard" if numeric else "none",
            notes=notes,
        )

    @property
    def _missing(self) -> Missing:
        return [] if self.missing is None and self.fill is not None else self.missing

    def _complete(self, table: Table, targets: list[str], features: list[str]) -> tuple[Table, tuple[str, ...]]:
        """The usable rows, and a line on the others."""
        if self._missing is None:
            return table, ()
        return without(table, targets if self.fill is not None else [*targets, *features], "a value")

    @classmethod
    def encoding_from_json(cls, values: Mapping[str, Any]) -> TableEncoding:
        """The encoding that was saved with a model."""
        return TableEncoding.from_json(values)

    def _roles(self, table: Table) -> tuple[list[str], list[str]]:
        """The target columns and the feature columns.

        Raises:
            DataError: a column does not exist or has two roles, or no feature is left.
        """
        targets = list(dict.fromkeys([self.target] if isinstance(self.target, str) else self.target))
        roles = {"target": targets, "features": self.features or [], "drop": self.drop}
        others = {key: [name] for key, name in (("group", self.group), ("order", self.order)) if name is not None}
        for key, names in (roles | others).items():
            for name in names:
                table.require(name, f"dataset.{key}")
        pairs = [("target", key) for key in ("features", "drop", *others)] + [("features", "group")]
        for one, other in pairs:
            for name in {*(roles | others).get(one, ())} & {*(roles | others).get(other, ())} - {self.order}:
                raise DataError(f"{self.path}: column '{name}' is in dataset.{one} and in dataset.{other}; choose one")
        chosen = table.columns if self.features is None else dict.fromkeys(self.features)
        hidden = [*targets, *self.drop]
        if self.features is None:
            hidden += [name for names in others.values() for name in names]
        features = [name for name in chosen if name not in hidden]
        if not features or not targets:
            raise DataError(f"{self.path}: no column is left for {'the features' if targets else 'dataset.target'}")
        return targets, features

    def _split(
        self, table: Table, targets: list[str], rng: np.random.Generator
    ) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
        """split -> its rows, and a line on classes that are too rare for all of them.

        Raises:
            DataError: the options contradict each other, or there are too few rows.
        """
        shares = (self.val, self.test)
        if self.order is not None or self.split == "time":
            if self.group is not None:
                other = "dataset.split=time" if self.order is None else "dataset.order"
                raise DataError(f"{self.path}: dataset.group and {other} cannot both split the rows; choose one")
            if self.order is not None and self.split == "random":
                raise DataError(f"{self.path}: dataset.split=random does not go with dataset.order; leave one out")
            when = np.arange(len(table)) if self.order is None else moments(table, self.order)
            return in_order(self.path, when, *shares), ()
        if self.group is not None:
            if "" in table.columns[self.group]:
                raise table.fault(
                    table.columns[self.group].index(""), self.group, "the cell is empty; every row needs a group"
                )
            return by_group(self.path, table.columns[self.group], rng, *shares), ()
        known = class_labels(table, targets, self.task) if self.split == "stratified" else None
        if known is None:
            return share_out(self.path, len(table), rng, *shares), ()
        parts = stratified(self.path, known[1], rng, *shares)
        return parts, rare_line(known[1], known[0], parts)

    @staticmethod
    def examples() -> list[tuple[Csv, None]]:
        rows = "".join(f"{i},{i * i % 7 / 2},{'ab'[i % 2]},{'yes' if i % 3 else 'no'}\n" for i in range(30))
        path = sample("table.csv", f"i,u,letter,answer\n{rows}".encode())
        several = sample(
            "labels.csv", b"u,red,round\n" + b"".join(b"%d,%d,%d\n" % (i, i % 2, i % 3 == 0) for i in range(30))
        )
        made = [Csv(path, "answer"), Csv(path, ["i", "u"], task="regression"), Csv(several, ["red", "round"])]
        return [(each, None) for each in made]
