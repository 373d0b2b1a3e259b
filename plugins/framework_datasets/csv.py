from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from framework import Data, DataError, Field, option
from framework_datasets._files import sample
from framework_datasets._missing import Fill, fit_fills, without
from framework_datasets._splits import SPLIT_HELP, Split
from framework_datasets._table import Decimal, Format, Header, Missing, Table, read_table
from framework_datasets._table_encoding import SPLIT, TableEncoding, Task, fit_features, fit_target
from framework_datasets._table_roles import RowSplit, roles_of
from framework_datasets._table_words import feature_words, header_lines, target_words
from framework_datasets._weights import BALANCED, balanced, check_weights


@dataclass(frozen=True)
class Csv:
    """Your own table: a text whose first line names the columns, one example per row.

    Fields: x (n, F): a column of numbers as it is, a column of strings as one 0/1 column per category. The categories
    are those of the training split, in alphabetical order; columns are in the order of `features` or of the file. y
    (n,) is the class, an index into the sorted labels, or y (n, k) numbers, one column per target; several columns of 0
    and 1 are labels of which several may hold at once (sigmoid and binary cross-entropy, not softmax). Rows are drawn
    by `dataset.seed`, so that each class has its share of every split. With `group` all rows of a group are in one split.
    With `order`, or `split=time`, the last rows are for val and test. If no training row has a class or category, one row
    of it (with `group` its group) moves to the training split.
    `missing` and `fill` allow missing values: rows with one are left out, or features are filled in from the training
    split. A column of numbers gets its mean or median, a column of strings its most frequent string. Features are
    scaled (`dataset.scale=standard`) if one of them is a number; `dataset.scale=none` reads them unchanged. With `weight` a
    field mask (n,) holds the weights of the rows, by which losses and metrics average.
    """

    shared_defaults: ClassVar[Mapping[str, Any]] = {"scale": "auto", "scale_targets": True}
    path: str = option(help="the file, relative to the current folder")
    target: str | list[str] = option(help="the column to predict; or several columns of numbers or labels")
    features: list[str] | None = option(None, help="the columns to predict from; null: all others")
    drop: list[str] = option(list, help="columns to leave out, also of `features`")
    categories: list[str] = option(list, help="columns of numbers that are categories: a 0/1 column for each value")
    encoding: str = option("utf-8", help="encoding of the text: utf-8, latin-1, cp1252, utf-16 ...")
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
    weight: str | None = option(
        None, help="a column with the weight of each row, 0 or more; balanced: n / (K n_k) for class k in training"
    )
    val: float = option(0.2, least=0, below=1, help="fraction for validation")
    test: float = option(0.2, least=0, below=1, help="fraction for the test")

    def load(self, rng: np.random.Generator, fold: Any = None) -> Data:
        how = Format.of(self.delimiter, self.decimal, self.header, self._missing, self.encoding)
        table = read_table(self.path, how)
        others = {"group": self.group, "order": self.order, "weight": self._column_of_weights(table)}
        targets, features = roles_of(table, self.target, self.features, self.drop, self.categories, others)
        head = header_lines(table, self.header)
        table, left_out = self._complete(table, [*targets, *filter(None, others.values())], features)
        split = RowSplit(self.split, self.group, self.order, self.val, self.test)
        parts, rare = split.parts(table, targets, self.task, rng)
        parts, moved = split.completed(
            self._filled(table, features, parts)[0], parts, targets, features, self.task, self.categories
        )
        known, own = parts["train"], None  # the rows whose categories are known
        if fold is not None:
            parts, own = split.divided(table, parts, targets, self.task, fold)
            known = np.concatenate([parts["train"], parts["val"]])
        table, fills, filled = self._filled(table, features, parts)
        found = fit_features(table, features, known, self.drop, self.categories)
        target = fit_target(table, targets, self.task, known)
        encoding = TableEncoding(found, target, how, fills, others["weight"] or "")
        whole = encoding.encode(table, True, SPLIT)
        weighted = self._weigh(whole, encoding, parts)
        splits = {name: {field: a[rows] for field, a in whole.items()} for name, rows in parts.items()}
        taken = f"{self.path}: {target_words(table, target, self.task)}; {feature_words(table, found)}"
        notes = (taken, *head, *left_out, *filled, *rare, *moved, *weighted)
        numeric = any(feature.categories is None for feature in found)
        return Data(
            splits,
            encoding.fields | ({} if self.weight is None else {"mask": Field("N", "mask")}),
            names=target.classes or (),
            encoding=encoding,
            scale="standard" if numeric else "none",
            notes=notes,
            rows={} if own is None else {"val": np.where(own, parts["val"], -1)},
        )

    def _filled(
        self, table: Table, features: list[str], parts: Mapping[str, np.ndarray]
    ) -> tuple[Table, dict[str, str], tuple[str, ...]]:
        """The table with missing values filled in, what fills them, and a line."""
        if self.fill is None:
            return table, {}, ()
        fills, line = fit_fills(table, features, parts["train"], self.fill, self.categories)
        return table.filled(fills), fills, line

    def _column_of_weights(self, table: Table) -> str | None:
        return None if self.weight == BALANCED and BALANCED not in table.columns else self.weight

    def _weigh(
        self, whole: dict[str, np.ndarray], encoding: TableEncoding, parts: Mapping[str, np.ndarray]
    ) -> tuple[str, ...]:
        """Check the weights of the rows, or add those that balance the classes; a line says which.

        Raises:
            DataError: all weights of a split are 0, or there are no classes.
        """
        if self.weight is None:
            return ()
        if encoding.weight:
            check_weights(self.path, self.weight, whole["mask"], parts)
            return ()
        if encoding.target.classes is None:
            raise DataError(
                f"{self.path}: dataset.weight=balanced needs one target column with classes; for a regression, give a column"
            )
        whole["mask"], line = balanced(encoding.target.classes, whole["y"], parts["train"])
        return (line,)

    @property
    def _missing(self) -> Missing:
        return [] if self.missing is None and self.fill is not None else self.missing

    def _complete(self, table: Table, needed: list[str], features: list[str]) -> tuple[Table, tuple[str, ...]]:
        """The usable rows, and a line on the others."""
        if self._missing is None:
            return table, ()
        return without(table, needed if self.fill is not None else [*needed, *features], "a value")

    @classmethod
    def encoding_from_json(cls, values: Mapping[str, Any]) -> TableEncoding:
        """The encoding that was saved with a model."""
        return TableEncoding.from_json(values)

    @staticmethod
    def examples() -> list[tuple[Csv, None]]:
        rows = "".join(f"{i},{i * i % 7 / 2},{'ab'[i % 2]},{'yes' if i % 3 else 'no'}\n" for i in range(30))
        path = sample("table.csv", f"i,u,letter,answer\n{rows}".encode())
        several = sample(
            "labels.csv", b"u,red,round\n" + b"".join(b"%d,%d,%d\n" % (i, i % 2, i % 3 == 0) for i in range(30))
        )
        made = [Csv(path, "answer"), Csv(path, ["i", "u"], task="regression"), Csv(several, ["red", "round"])]
        return [(each, None) for each in made]
