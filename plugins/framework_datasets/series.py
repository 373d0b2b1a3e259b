from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from framework import Data, DataError, Field, option
from framework_datasets._columns import real
from framework_datasets._files import sample
from framework_datasets._table import Decimal, Format, Header, read_table
from framework_datasets._windows import ahead, check_gaps, windows


@dataclass(frozen=True)
class Series:
    """v_1 ... v_T -> v_2 ... v_{T+1}: a column of your own table, with rows as time steps, each predicted from those
    before it.

    Fields: x (n, length, 1), y (n, length, 1), windows and the same one step later. The first part of the series trains, the
    next validates, the last is the test. With `dataset.scale`, x and y have the same scale, that of x in training: losses
    are in its units, predictions in those of the column.
    """

    path: str = option(help="the file, relative to the current folder; its first line names the columns")
    column: str = option(help="the column of numbers")
    delimiter: str = option(",", help="delimiter of fields: a character, comma, semicolon, tab, bar; auto detects it")
    decimal: Decimal = option("point", help="the decimal sign; comma: 1,5 and 1.234,5")
    header: Header = option(True, help="whether the first line names the columns; false: c0, c1, ...; or a list of names")
    length: int = option(25, least=1, help="T, steps in a window")
    stride: int | None = option(None, least=1, help="steps between windows; null: 1, or length if stateful")
    val: float = option(0.2, least=0, below=1, help="fraction of the series for validation")
    test: float = option(0.2, least=0, below=1, help="fraction of the series for the test")
    stateful: bool = option(
        False, help="carry states from window to window: the series is read as `trainer.batch_size` streams"
    )

    def load(self, rng: np.random.Generator) -> Data:
        encoding = SeriesEncoding(self.column, Format.of(self.delimiter, self.decimal, self.header), self.length)
        values = encoding.column_of(self.path, "dataset.column")
        try:
            check_gaps(self.stateful, self.length, self.stride)
            stride = self.stride or (self.length if self.stateful else 1)
            splits = ahead(values, self.length, stride, self.val, self.test)
        except ValueError as error:
            raise DataError(f"{self.path}: dataset.{error}") from error
        fields = {"x": Field("NTF"), "y": Field("NTF")}
        more: dict[str, Any] = {"stateful": self.stateful, "forecast": ("x",), "scaled_with": {"y": "x"}}
        return Data(splits, fields, encoding=encoding, **more)

    @classmethod
    def encoding_from_json(cls, values: Mapping[str, Any]) -> SeriesEncoding:
        """The encoding that was saved with a model."""
        return SeriesEncoding(values["column"], Format.from_json(values), values["length"])

    @staticmethod
    def examples() -> list[tuple[Series, None]]:
        path = sample("series.csv", ("day,level\n" + "".join(f"{i},{i % 7 / 7}\n" for i in range(60))).encode())
        return [(Series(path, "level", length=5), None)]


@dataclass(frozen=True)
class SeriesEncoding:
    """A column of a table as a series, and its windows.

    Attributes:
        length: steps in a window of a new file; a shorter file is one window.
    """

    column: str
    format: Format
    length: int

    def column_of(self, path: str | Path, role: str) -> np.ndarray:
        """The column as an array (n, 1).

        Raises:
            DataError: the column does not exist, or is not numeric.
        """
        table = read_table(path, self.format)
        table.require(self.column, role)
        return real(table, self.column)[:, None]

    def read(self, path: str | Path, with_target: bool) -> dict[str, np.ndarray]:
        """Windows of a new file, one after the other; remaining rows at the end are dropped.

        Raises:
            DataError: the file cannot be read, or is too short.
        """
        values = self.column_of(path, "the column that the model reads")
        x = values[:-1] if with_target else values
        if not x.size:
            raise DataError(f"{path}: a single row is too short; at least two rows are needed")
        length = min(self.length, x.shape[0])
        fields = {"x": windows(x, length, length)}
        return fields | {"y": windows(values[1:], length, length)} if with_target else fields

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"type": "series", "column": self.column, **self.format.to_json(), "length": self.length}
