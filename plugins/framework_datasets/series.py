from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from framework import Data, DataError, Field, option
from framework_datasets._files import sample
from framework_datasets._series_encoding import SeriesEncoding
from framework_datasets._series_time import Gaps
from framework_datasets._series_windows import Part, Targets, Windows, inside, splits_of
from framework_datasets._table import Decimal, Format, Header
from framework_datasets._windows import check_gaps


@dataclass(frozen=True)
class Series:
    """v_1 ... v_T -> v_2 ... v_{T+1}: a column of your own table, with rows as time steps, each predicted from those
    before it.

    Fields: x (n, length, F), windows of the column and of the columns `features` after it; y (n, length, 1), the same
    windows of the column `horizon` steps later, or with targets: last y (n, 1), the value `horizon` steps after the
    window. The first part of the series trains, the next validates, the last is the test. No window reaches into another
    part. x and y have the same scale, that of x in training (`dataset.scale=standard`): losses are in its units,
    predictions and metrics in those of the column. A run reports the losses of two naive forecasts beside its own: the
    last value, and with `period` the value one period before the target.
    """

    shared_defaults: ClassVar[Mapping[str, Any]] = {"scale": "auto", "scale_targets": True}
    path: str = option(help="the file, relative to the current folder; its first line names the columns")
    column: str = option(help="the column of numbers to predict")
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
    features: list[str] = option(list, help="further columns of numbers, known at the same step, to predict from")
    horizon: int = option(1, least=1, help="steps from an input to its target")
    targets: Targets = option("all", help="all: a target for each step of a window; last: one for each window")
    time: str | None = option(None, help="a column of numbers or dates that must rise in equal steps")
    gaps: Gaps = option("error", help="steps missing in the column of time; split: no window crosses them")
    period: int | None = option(None, least=1, help="steps of a period, for the naive forecast: a value one period ago")

    def load(self, rng: np.random.Generator) -> Data:
        self._check()
        form = Format.of(self.delimiter, self.decimal, self.header)
        how = (self.horizon, self.targets, self.time, self.gaps)
        encoding = SeriesEncoding(self.column, form, self.length, tuple(self.features), *how)
        values, parts = encoding.table(self.path, ("dataset.column", "dataset.features"))
        cut, stride = encoding.windows, self.stride or (self.length if self.stateful else 1)
        starts = self._starts(encoding, parts, stride, len(values))
        splits = {split: {"x": cut.read(values, s), "y": cut.target(values, s)} for split, s in starts.items()}
        naive = {"last_value": None} | ({} if self.period is None else {"period_ago": self.period})
        later = {split: s for split, s in starts.items() if split != "train"}
        baselines = {
            name: {split: {"y": cut.naive(values, s, parts, period)} for split, s in later.items()}
            for name, period in naive.items()
        }
        axes = "NTF" if self.targets == "all" else "NF"
        fields = {"x": Field("NTF", features=encoding.columns), "y": Field(axes, features=(self.column,))}
        more: dict[str, Any] = {"stateful": self.stateful, "forecast": ("x",), "scaled_with": {"y": "x"}}
        more |= {"scale": "standard", "baselines": baselines}
        more["notes"] = (*self._notes(parts), *self._period_notes(cut, later, parts))
        return Data(splits, fields, encoding=encoding, **more)

    def _check(self) -> None:
        """Check that options go together.

        Raises:
            DataError: they do not.
        """
        try:
            check_gaps(self.stateful, self.length, self.stride)
        except ValueError as error:
            raise DataError(f"{self.path}: dataset.{error}") from error
        names = (self.column, *self.features)
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise DataError(f"dataset.features: '{twice}' is there twice, or is dataset.column, which is read anyway")
        if self.period is not None and self.period < self.horizon:
            raise DataError(
                f"dataset.period: {self.period} is not allowed; at least dataset.horizon={self.horizon}, since a later "
                "value is not known yet"
            )
        if self.stateful and self.gaps == "split":
            raise DataError("dataset.stateful: states would be carried across gaps; use dataset.gaps=error")
        if self.stateful and self.targets == "last":
            raise DataError("dataset.stateful: states need a target at every step; use dataset.targets=all")

    def _starts(self, encoding: SeriesEncoding, parts: list[Part], stride: int, n: int) -> dict[str, np.ndarray]:
        found = {}
        for split, (begin, end) in splits_of(n, self.val, self.test).items():
            pieces = list(inside(parts, (begin, end)))
            found[split] = encoding.windows.starts(pieces, stride)
            if not len(found[split]):
                ahead = "the next one" if self.horizon == 1 else f"the next {self.horizon}"
                longest = f", in pieces of at most {max((b - a for a, b in pieces), default=0)}" if len(pieces) > 1 else ""
                raise DataError(
                    f"{self.path}: dataset.length: {self.length} steps and {ahead} do not fit into the {end - begin} of the "
                    f"{split} split{longest}; use shorter windows, a longer series, or another val and test"
                )
        return found

    def _notes(self, parts: list[Part]) -> tuple[str, ...]:
        gaps, fit = len(parts) - 1, sum(end - begin >= self.length + self.horizon for begin, end in parts)
        if not gaps:
            return ()
        short = f"; {len(parts) - fit} of {len(parts)} parts are too short for a window" if fit < len(parts) else ""
        return (f"{self.path}: the series has {gaps} gap{'s' if gaps > 1 else ''}, which no window crosses{short}",)

    def _period_notes(self, cut: Windows, later: Mapping[str, np.ndarray], parts: list[Part]) -> tuple[str, ...]:
        """A line on the targets whose naive forecast is not one period old.

        Raises:
            DataError: those are all.
        """
        if self.period is None or not later:
            return ()
        old = np.concatenate([cut.repeats(s, parts, self.period).ravel() for s in later.values()])
        if not old.any():
            raise DataError(
                f"{self.path}: dataset.period: no target of {' and '.join(later)} has a row {self.period} steps before it; "
                f"use a shorter period (the series has {parts[-1][1]} rows)"
            )
        about = f"{(~old).sum()} of {len(old)} targets of {' and '.join(later)} have no row {self.period} steps before them"
        return () if old.all() else (f"{self.path}: {about}; their forecast 'period ago' is the last value",)

    @classmethod
    def encoding_from_json(cls, values: Mapping[str, Any]) -> SeriesEncoding:
        """The encoding that was saved with a model."""
        return SeriesEncoding.from_json(values)

    @staticmethod
    def examples() -> list[tuple[Series, None]]:
        path = sample("series.csv", ("day,level\n" + "".join(f"{i},{i % 7 / 7}\n" for i in range(60))).encode())
        return [(Series(path, "level", length=5), None), (Series(path, "level", length=5, targets="last", time="day"), None)]
