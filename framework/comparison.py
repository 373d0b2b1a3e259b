"""The jobs of a sweep side by side: which of their overrides differ, their series, means and spread over seeds."""

from __future__ import annotations

import fnmatch
import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from framework.components import option
from framework.recording import read_lines

Series = dict[str, np.ndarray]  # metric -> (K, 2) of step and value


@dataclass(frozen=True)
class Comparison:
    """What the figure of a sweep shows."""

    y: tuple[str, ...] | str | None = option(
        None, help="a metric, or several, a panel each; null: what early stopping watches"
    )
    x: str = option("step", help="step: curves; a swept key: one value per run against it; layer: against the * of y")
    at: Literal["last", "first", "best", "mean", "fluctuation"] = option(
        "last",
        help="which value of a run, where x is not step; fluctuation: root mean square of the change from one value to the "
        "next, in the second half of its series",
    )
    panels: str | None = option(None, help="a swept key: a panel for each of its values")
    together: bool = option(False, help="all of y in one panel, to compare them")
    log: bool | None = option(None, help="logarithmic y; null: where the values span more than a factor of 30")


@dataclass(frozen=True)
class Job:
    """A recorded job of a sweep."""

    name: str
    overrides: Mapping[str, str]
    status: str
    series: Series


@dataclass(frozen=True)
class Group:
    """Jobs that differ in nothing but the seed.

    Attributes:
        keys: swept key -> value, the seed left out.
    """

    keys: Mapping[str, str]
    jobs: tuple[Job, ...]

    def curve(self, metric: str) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Steps, mean over seeds and standard deviation, at the steps that every seed has; None without such."""
        found = [job.series[metric] for job in self.jobs if metric in job.series]
        if not found:
            return None
        steps = sorted(set.intersection(*(set(a[:, 0].tolist()) for a in found)))
        values = np.stack([a[np.isin(a[:, 0], steps), 1] for a in found])
        return np.array(steps), values.mean(0), values.std(0)

    def values(self, metric: str, at: str) -> np.ndarray:
        """One value per job that has the metric; not a number where it diverged."""
        jobs = [job for job in self.jobs if metric in job.series]
        found = [np.nan if job.status == "diverged" else chosen(job.series[metric][:, 1], at, metric) for job in jobs]
        return np.array(found)


def chosen(values: np.ndarray, at: str, metric: str) -> float:
    """The last, first, or best value of a series, the best loss being the smallest, of anything else the largest; or how
    much it fluctuates."""
    if at == "mean":
        return float(values.mean())
    if at == "fluctuation":
        return float(np.sqrt(np.mean(np.diff(values[len(values) // 2 :]) ** 2))) if len(values) > 3 else float("nan")
    if at == "best":
        return float(np.nanmin(values) if metric.endswith("loss") else np.nanmax(values))
    return float(values[0 if at == "first" else -1])


def read_jobs(sweep: Path) -> list[Job]:
    """The jobs of a sweep's folder that have begun, in their order."""
    folders = sorted((path.parent for path in sweep.glob("*/run.json")), key=lambda path: (len(path.name), path.name))
    return [_job(folder) for folder in folders]


def _job(folder: Path) -> Job:
    told = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    words = shlex.split(told.get("command", ""))[1:]
    overrides = dict(word.lstrip("+~").partition("=")[::2] for word in words)
    path = folder / "metrics.jsonl"
    return Job(folder.name, overrides, told.get("status", "?"), series(read_lines(path) if path.exists() else []))


def series(lines: Sequence[Mapping[str, float]]) -> Series:
    """name -> (K, 2) of step and value."""
    points: dict[str, list[tuple[float, float]]] = {}
    for line in lines:
        for name, value in line.items():
            if name != "step":
                points.setdefault(name, []).append((line["step"], value))
    return {name: np.array(values) for name, values in points.items()}


def swept(jobs: Sequence[Job]) -> list[str]:
    """The keys in which jobs differ, in the order of their overrides."""
    keys = dict.fromkeys(key for job in jobs for key in job.overrides)
    return [key for key in keys if len({job.overrides.get(key) for job in jobs}) > 1]


def grouped(jobs: Sequence[Job]) -> list[Group]:
    """Jobs put together that differ in nothing but the seed."""
    keys = [key for key in swept(jobs) if key != "seed"]
    found: dict[tuple[str, ...], list[Job]] = {}
    for job in jobs:
        found.setdefault(tuple(job.overrides.get(key, "") for key in keys), []).append(job)
    return [Group(dict(zip(keys, values, strict=True)), tuple(members)) for values, members in found.items()]


def metrics(jobs: Sequence[Job], pattern: str) -> list[str]:
    """The metrics that a pattern with * means, in the order in which they were recorded."""
    names = dict.fromkeys(name for job in jobs for name in job.series)
    return [name for name in names if fnmatch.fnmatchcase(name, pattern)]


def rows(groups: Sequence[Group], wanted: Sequence[str], at: str) -> Iterator[list[str]]:
    """Cells of the sweep's table: the header, then a row per group; mean ± standard deviation over seeds."""
    keys = list(groups[0].keys) if groups else []
    yield [*(key.rpartition(".")[2] for key in keys), "seeds", *wanted, "status"]
    for group in groups:
        cells = [_cell(group.values(metric, at)) for metric in wanted]
        statuses = sorted({job.status for job in group.jobs})
        yield [*(group.keys[key] for key in keys), str(len(group.jobs)), *cells, ", ".join(statuses)]


def _cell(values: np.ndarray) -> str:
    if not np.isfinite(values).any():
        return "-"
    return f"{values.mean():.4g}" + (f" ± {values.std():.2g}" if len(values) > 1 else "")
