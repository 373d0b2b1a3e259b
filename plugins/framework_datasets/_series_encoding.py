"""How a series is read from a table, for training and by a trained network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from framework import DataError
from framework_datasets._columns import real
from framework_datasets._series_time import Gaps, parts_of
from framework_datasets._series_windows import Part, Targets, Windows
from framework_datasets._table import Format, Table, read_table

MODEL = "the column that the model reads"


@dataclass(frozen=True)
class SeriesEncoding:
    """Columns of a table as a series, and its windows.

    Attributes:
        length: steps in a window of a new file; a shorter file is one window.
        features: further columns that are read at every step.
        horizon: the number of steps from an input to its target.
        targets: all: a target for each step; last: one for each window.
        time: the column of time, if there is one.
    """

    column: str
    format: Format
    length: int
    features: tuple[str, ...] = ()
    horizon: int = 1
    targets: Targets = "all"
    time: str | None = None
    gaps: Gaps = "error"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of x, the predicted one first."""
        return (self.column, *self.features)

    @property
    def windows(self) -> Windows:
        """The windows and their targets."""
        return Windows(self.length, self.horizon, self.targets)

    def table(self, path: str | Path, roles: Sequence[str] = ()) -> tuple[np.ndarray, list[Part]]:
        """The columns as an array (n, F), and the parts of the series without a gap.

        Args:
            roles: what the columns are for, in messages: the predicted one, the others.

        Raises:
            DataError: a column does not exist, or is not numeric; or the times are not as they must be.
        """
        return self._values(read_table(path, self.format), *(roles or (MODEL, MODEL)))

    def _values(self, table: Table, role: str = MODEL, others: str = MODEL) -> tuple[np.ndarray, list[Part]]:
        for name in self.columns:
            table.require(name, role if name == self.column else others)
        values = np.stack([real(table, name, fill=False) for name in self.columns], -1)
        return values, [(0, len(table))] if self.time is None else parts_of(table, self.time, self.gaps)

    def read(self, path: str | Path, with_target: bool) -> dict[str, np.ndarray]:
        """Windows of a new file, one after the other; remaining rows at the end are dropped. With targets: last, every
        window of the file.

        Raises:
            DataError: the file cannot be read, or is too short.
        """
        values, parts = self.table(path)
        ahead = self.horizon if with_target else 0
        longest = max(end - begin for begin, end in parts) - ahead
        if longest < 1:
            rows = "a single row is" if len(values) == 1 else f"{len(values)} rows are"
            raise DataError(f"{path}: {rows} too short; at least {ahead + 1} are needed without a gap")
        length = min(self.length, longest)
        stride = length if self.targets == "all" else 1
        starts = Windows(length, ahead, self.targets).starts(parts, stride)
        cut = Windows(length, self.horizon, self.targets)
        fields = {"x": cut.read(values, starts)}
        return fields | {"y": cut.target(values, starts)} if with_target else fields

    def history(self, path: str | Path) -> tuple[np.ndarray | None, np.ndarray]:
        """The known end of the series (n, F), after its last gap, and the later values of the features (m, F - 1).

        Rows at the end whose cell of the predicted column is empty are later ones. A file without that column has only
        later ones, and the end is None.

        Raises:
            DataError: the file cannot be read, or steps are missing between the end and the later values.
        """
        table = read_table(path, self.format)
        if self.column not in table.columns and self.features:
            return None, self._later(table)
        table.require(self.column, MODEL)
        known = max((row + 1 for row, word in enumerate(table.columns[self.column]) if word), default=0)
        later = self._later(table.take(range(known, len(table))))
        if not known:
            return None, later
        if self.time is not None and parts_of(table, self.time, self.gaps)[-1][0] >= known:
            raise DataError(f"{path}: steps are missing after the last value of '{self.column}'; a forecast begins there")
        values, parts = self._values(table.take(range(known)))
        return values[parts[-1][0] :], later

    def _later(self, table: Table) -> np.ndarray:
        for name in self.features:
            table.require(name, "a feature of the model")
        columns = [real(table, name, fill=False) for name in self.features]
        return np.stack(columns, -1) if columns else np.zeros((len(table), 0))

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        more = {"features": list(self.features), "horizon": self.horizon, "targets": self.targets}
        more |= {"time": self.time, "gaps": self.gaps}
        return {"type": "series", "column": self.column, **self.format.to_json(), "length": self.length, **more}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> SeriesEncoding:
        """The encoding from the values of `to_json`; older files have the column and its windows only."""
        more = {name: values[name] for name in ("horizon", "targets", "time", "gaps") if name in values}
        features = tuple(values.get("features", ()))
        return cls(values["column"], Format.from_json(values), values["length"], features, **more)
