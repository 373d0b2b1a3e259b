"""The results of runs and sweeps in Python: read from their folders, displayed in notebooks."""

from __future__ import annotations

import base64
import functools
import html
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import numpy as np

from framework.analysis.comparison import read_jobs, swept
from framework.analysis.metrics_table import metrics_table
from framework.core.errors import ConfigError, did_you_mean
from framework.core.reading import read_bytes, read_text
from framework.core.study import Findings
from framework.experiments.experiment import prepare
from framework.experiments.loading import load, settings_of_run
from framework.experiments.study import read_findings
from framework.inference.model import Model
from framework.tracking.locks import current_state
from framework.tracking.metrics_file import LazySeries
from framework.tracking.naming import about_of
from framework.tracking.run_dir import best_run, read_sweep

if TYPE_CHECKING:
    from pandas import DataFrame


class Series(NamedTuple):
    """A metric along training; `plt.plot(*series)` draws it."""

    steps: np.ndarray
    values: np.ndarray


class Metrics(Mapping[str, Series]):
    """Metric -> its series. The steps of a row, such as a gradient by lag, are its indices: the latest row under its name,
    the first one under `..._start/...`."""

    def __init__(self, found: Mapping[str, np.ndarray]) -> None:
        self.found = found

    def __getitem__(self, name: str) -> Series:
        if name not in self.found:
            raise KeyError(f"unknown metric '{name}'{did_you_mean(name, list(self.found))}")
        steps, values = self.found[name].T
        return Series(steps.astype(int), values)

    def __iter__(self) -> Iterator[str]:
        return iter(self.found)

    def __len__(self) -> int:
        return len(self.found)

    def __repr__(self) -> str:
        return f"Metrics({', '.join(self)})"


@dataclass(frozen=True, repr=False)
class RunResult:
    """A recorded run. Called with examples (n, ...), it is the trained network: `result(x)`.

    Attributes:
        folder: the folder of the run.
        overrides: key -> value; in a sweep, those of this job.
    """

    folder: Path
    overrides: Mapping[str, str] = field(default_factory=dict)
    known: Findings | None = None

    @property
    def status(self) -> str:
        """finished, stopped_early, pruned, diverged, failed, killed, lost or running."""
        return str(self._state.get("status", "?"))

    @property
    def reason(self) -> str:
        """The reason for the status, if there is one."""
        return str(self._state.get("reason", ""))

    @property
    def name(self) -> str:
        """The name that was given to it, or the one that says what differs from the defaults."""
        return str(self._state.get("name", self.folder.name))

    @property
    def tags(self) -> dict[str, str]:
        """The tags that were given to it."""
        return dict(about_of(self._state).tags)

    @property
    def notes(self) -> str:
        """What was noted about it."""
        return about_of(self._state).notes

    @property
    def last(self) -> dict[str, float]:
        """All metrics at the saved weights, test/... included."""
        return {name: float(value) for name, value in self._state.get("metrics", {}).items()}

    @property
    def metrics(self) -> Metrics:
        """Metric -> steps and values."""
        path = self.folder / "metrics.jsonl"
        return Metrics(LazySeries(path, math.inf) if path.exists() else {})

    def to_pandas(self) -> DataFrame:
        """The metrics along training as a pandas.DataFrame: a column for each metric, a row for each training step; NaN
        where a metric was not measured. Rows of a probe, such as a gradient by lag, have no steps and are left out.

        Raises:
            ConfigError: pandas is not installed, or the run has recorded no metrics.
        """
        columns, _ = metrics_table({self.name: self.folder})
        return _pandas().DataFrame(columns).set_index("step")

    @property
    def figures(self) -> list[Path]:
        """The PNG files of the run; a job of a sweep has none."""
        return sorted((self.folder / "figures").glob("*.png"))

    @functools.cached_property
    def model(self) -> Model:
        """The trained network: `predict`, `evaluate`, `weights`.

        Raises:
            ConfigError: the run has no model.
        """
        if self.findings is not None:
            raise ConfigError(f"{self.folder}: a study has no single network; use `networks`")
        return load(self.folder)

    @functools.cached_property
    def networks(self) -> list[Model]:
        """All trained networks: one, or those of a study that ran in this process; they are not recorded."""
        if self.findings is None:
            return [self.model]
        made = prepare(settings_of_run(self.folder))
        return [Model.of(made.learner, outcome.weights, made.data, made.scale) for outcome in self.findings.outcomes]

    @functools.cached_property
    def findings(self) -> Findings | None:
        """The findings of a study: summary, series, arrays, and its trainings if it ran in this process."""
        return self.known or read_findings(self.folder)

    @property
    def _state(self) -> dict[str, Any]:
        return current_state(self.folder)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Predictions for examples (n, ...), as `model.predict`."""
        return self.model.predict(x)

    def __repr__(self) -> str:
        values = "  ".join(f"{name} {value:.4g}" for name, value in self._shown.items())
        return f"{self._title}{f': {values}' if values else ''}\n{self.folder}"

    @property
    def _title(self) -> str:
        notes = "; ".join(filter(None, (self.reason, (self._state.get("kept") or {}).get("note"))))
        return f"{self.name}, {self.status}" + (f" ({notes})" if notes else "")

    @property
    def _shown(self) -> dict[str, float]:
        return {k: v for k, v in self.last.items() if not k.startswith(("train/", "grad_norm/"))}

    def _repr_html_(self) -> str:
        cells = [(name, f"{value:.4g}") for name, value in self._shown.items()]
        body = f"<pre>{html.escape(self.findings.summary)}</pre>" if self.findings else _table([("metric", "value"), *cells])
        return f"<p><b>{html.escape(self._title)}</b></p>{body}{''.join(map(_picture, self.figures))}"


class SweepResult(Sequence[RunResult]):
    """A recorded sweep: its jobs in order, failed ones included.

    Args:
        folder: the folder of the sweep.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        jobs = read_jobs(folder)
        keys = swept(jobs)
        self.jobs = [RunResult(folder / job.name, {k: job.overrides[k] for k in keys if k in job.overrides}) for job in jobs]

    @overload
    def __getitem__(self, i: int) -> RunResult: ...
    @overload
    def __getitem__(self, i: slice) -> list[RunResult]: ...
    def __getitem__(self, i: int | slice) -> RunResult | list[RunResult]:
        """A job, or several of them as a list."""
        return self.jobs[i]

    def to_pandas(self) -> DataFrame:
        """`table` as a pandas.DataFrame: a row for each job.

        Raises:
            ConfigError: pandas is not installed.
        """
        return _pandas().DataFrame(self.table)

    def __len__(self) -> int:
        return len(self.jobs)

    @property
    def name(self) -> str:
        """The name that was given to it, or the one of its folder."""
        return about_of(read_sweep(self.folder)).name or self.folder.name

    @property
    def tags(self) -> dict[str, str]:
        """The tags that were given to it."""
        return dict(about_of(read_sweep(self.folder)).tags)

    @property
    def notes(self) -> str:
        """What was noted about it."""
        return about_of(read_sweep(self.folder)).notes

    @property
    def best(self) -> RunResult:
        """The best seed of the group with the best mean over seeds.

        Raises:
            ConfigError: no group has a value for every seed.
        """
        name = best_run(self.folder).name
        return next(job for job in self.jobs if job.folder.name == name)

    @property
    def table(self) -> list[dict[str, Any]]:
        """A row per job: its distinguishing overrides, its status, all metrics at its saved weights. Suitable for
        `DataFrame`."""
        own = [{key: _plain(value) for key, value in job.overrides.items()} for job in self.jobs]
        return [{**keys, "status": job.status, **job.last} for keys, job in zip(own, self.jobs, strict=True)]

    @property
    def figures(self) -> list[Path]:
        """The figure of the whole sweep, as PNG."""
        return sorted(self.folder.glob("*.png"))

    def __repr__(self) -> str:
        return f"{self._table_text()}{len(self)} jobs\n{self.folder}"

    def _table_text(self) -> str:
        path = self.folder / "table.md"
        return read_text(path) if path.exists() else ""

    def _repr_html_(self) -> str:
        lines = self._table_text().splitlines()
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if not line.startswith("| ---")]
        return f"{_table(rows)}{''.join(map(_picture, self.figures))}"


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise ConfigError("to_pandas: pandas is not installed; pip install pandas") from error
    return pandas


def _plain(word: str) -> Any:
    """A number for `0.1`, otherwise the word unchanged."""
    try:
        return json.loads(word)
    except ValueError:
        return word


def _table(rows: Sequence[Sequence[str]]) -> str:
    lines = ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows]
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def _picture(path: Path) -> str:
    data = base64.b64encode(read_bytes(path)).decode()
    return f'<img alt="{html.escape(path.stem)}" style="max-width: 100%" src="data:image/png;base64,{data}">'
