from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from framework import Data, DataError, Field, option
from framework_datasets.files import sample
from framework_datasets.rows import share_out
from framework_datasets.table import Table, read_table
from framework_datasets.table_encoding import SPLIT, TableEncoding, Task, fit_features, fit_target


@dataclass(frozen=True)
class Csv:
    """Your own table: a UTF-8 text whose first line names the columns, one example per row.

    Fields: x (n, F): a column of numbers as it is, a column of words as one 0/1 column per category (those of the training
    split, in alphabetical order), columns in the order of `features` or of the file; y (n,) the class, an index into the
    sorted labels, or y (n, k) numbers, one column per target. Rows are shared out at random, drawn from `dataset.seed`.
    """

    path: str = option(help="the file, from the current folder on")
    target: str | list[str] = option(help="the column to predict; a list of columns, for regression")
    features: list[str] | None = option(None, help="the columns to predict from; null: all others")
    drop: list[str] = option(list, help="columns to leave out, also of `features`")
    delimiter: str = option(",", help="between fields: a character, comma, semicolon, tab, bar; auto finds it")
    task: Task = option("auto", help="auto: words, and whole numbers with at most 20 different values, are labels")
    val: float = option(0.2, least=0, below=1, help="fraction for validation")
    test: float = option(0.2, least=0, below=1, help="fraction for the test")

    def load(self, rng: np.random.Generator) -> Data:
        table = read_table(self.path, self.delimiter)
        targets, features = self._roles(table)
        parts = share_out(self.path, len(table), rng, self.val, self.test)
        encoding = TableEncoding(
            fit_features(table, features, parts["train"], self.drop),
            fit_target(table, targets, self.task, parts["train"]),
            self.delimiter,
        )
        whole = encoding.encode(table, True, SPLIT)
        splits = {split: {name: a[rows] for name, a in whole.items()} for split, rows in parts.items()}
        fields = {"x": Field("NF"), "y": encoding.target.field}
        return Data(splits, fields, names=encoding.target.classes or (), encoding=encoding)

    @classmethod
    def encoding_from_json(cls, told: Mapping[str, Any]) -> TableEncoding:
        """The encoding that was saved with a model."""
        return TableEncoding.from_json(told)

    def _roles(self, table: Table) -> tuple[list[str], list[str]]:
        """The target columns and the feature columns.

        Raises:
            DataError: one is not there or is asked to be two things, or no feature is left.
        """
        targets = list(dict.fromkeys([self.target] if isinstance(self.target, str) else self.target))
        asked = {"target": targets, "features": self.features or [], "drop": self.drop}
        for key, names in asked.items():
            for name in names:
                table.require(name, f"dataset.{key}")
        for key in ("features", "drop"):
            for name in set(targets) & set(asked[key]):
                raise DataError(f"{self.path}: column '{name}' is in dataset.target and in dataset.{key}; choose one")
        chosen = table.columns if self.features is None else dict.fromkeys(self.features)
        features = [name for name in chosen if name not in targets and name not in self.drop]
        if not features or not targets:
            raise DataError(f"{self.path}: no column is left for {'the features' if targets else 'dataset.target'}")
        return targets, features

    @staticmethod
    def examples() -> list[tuple[Csv, None]]:
        rows = "".join(f"{i},{i * i % 7 / 2},{'ab'[i % 2]},{'yes' if i % 3 else 'no'}\n" for i in range(30))
        path = sample("table.csv", f"i,u,letter,answer\n{rows}".encode())
        return [(Csv(path, "answer"), None), (Csv(path, ["i", "u"], task="regression"), None)]
