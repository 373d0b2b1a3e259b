"""The metrics of runs as a table, in a CSV or Parquet file."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from framework.analysis.epochs import steps_per_epoch
from framework.core.errors import ConfigError
from framework.core.writing import replaced, replaced_text
from framework.tracking.metrics_file import LazySeries

Form = Literal["wide", "long"]
Columns = dict[str, Any]  # name -> an array, or a list of texts
KEYS = ("run", "step", "epoch")


def metrics_table(runs: Mapping[str, Path], form: Form = "wide") -> tuple[Columns, list[str]]:
    """The recorded metrics of runs, as columns of equal length.

    Args:
        runs: name -> folder; with several runs there is a column `run`.
        form: wide: run, step, epoch, and a column for each metric, empty (nan) where it was not measured. long: run,
            metric, step, epoch, value: all series, also those over positions, such as a gradient by lag.

    Returns:
        The columns, and the series that a wide table leaves out, since their steps are positions.

    Raises:
        ConfigError: a run has recorded no metrics.
    """
    parts, left_out = [], dict[str, None]()
    for name, folder in runs.items():
        path = folder / "metrics.jsonl"
        if not path.is_file():
            raise ConfigError(f"{folder}: it has recorded no metrics")
        series = LazySeries(path, math.inf)
        steps = steps_per_epoch(folder, series)
        if form == "wide":
            left_out |= dict.fromkeys(metric for metric in series if metric in series.rows)
        parts.append((_wide if form == "wide" else _long)(name, series, steps))
    names = dict.fromkeys(key for part in parts for key in part)
    names = dict.fromkeys([*(key for key in KEYS if key in names), *names])
    columns = {key: _joined([part.get(key, len(part["step"])) for part in parts]) for key in names}
    if len(runs) == 1:
        del columns["run"]
    return columns, list(left_out)


def _wide(name: str, series: LazySeries, steps_of_epoch: float | None) -> Columns:
    found = {metric: series[metric] for metric in series if metric not in series.rows}
    steps = np.unique(np.concatenate([a[:, 0] for a in found.values()])) if found else np.zeros(0)
    out: Columns = {"run": [name] * len(steps), "step": steps.astype(np.int64)}
    out |= {"epoch": steps / steps_of_epoch} if steps_of_epoch else {}
    for metric, a in found.items():
        column = np.full(len(steps), np.nan)
        column[np.searchsorted(steps, a[:, 0])] = a[:, 1]
        out[metric] = column
    return out


def _long(name: str, series: LazySeries, steps_of_epoch: float | None) -> Columns:
    out: Columns = {"run": [], "metric": [], "step": [], "epoch": [], "value": []}
    for metric in series:
        a, row = series[metric], metric in series.rows
        out["run"] += [name] * len(a)
        out["metric"] += [metric] * len(a)
        out["step"].append(a[:, 0].astype(np.int64))
        out["epoch"].append(np.full(len(a), np.nan) if row or not steps_of_epoch else a[:, 0] / steps_of_epoch)
        out["value"].append(a[:, 1])
    return {key: np.concatenate(a) if a and not isinstance(a[0], str) else a for key, a in out.items()}


def _joined(parts: Sequence[Any]) -> Any:
    """A column of several runs; a number stands for so many empty cells."""
    if any(isinstance(part, list) for part in parts):
        return [text for part in parts for text in (part if isinstance(part, list) else [""] * part)]
    return np.concatenate([np.full(part, np.nan) if isinstance(part, int) else part for part in parts])


def write_table(columns: Columns, path: Path) -> None:
    """Write columns as CSV, an empty cell for nan, or as Parquet, by the file's ending.

    Raises:
        ConfigError: another ending.
    """
    if path.suffix == ".csv":
        with replaced_text(path) as file:
            rows = csv.writer(file)
            rows.writerow(columns)
            rows.writerows(_cells(columns))
    elif path.suffix == ".parquet":
        import pyarrow
        import pyarrow.parquet

        with replaced(path) as file:
            pyarrow.parquet.write_table(pyarrow.table(columns), file)
    else:
        raise ConfigError(f"to: a table is written as .csv or .parquet (got '{path.name}')")


def _cells(columns: Columns) -> Iterator[list[Any]]:
    lists = [a if isinstance(a, list) else a.tolist() for a in columns.values()]
    for row in zip(*lists, strict=True):
        yield ["" if value != value else value for value in row]
