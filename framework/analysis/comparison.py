"""Compares the jobs of a sweep: their differing overrides, their series, means and spread over seeds."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from framework.analysis.epochs import in_epochs
from framework.core.direction import is_known, lower_is_better
from framework.core.errors import ConfigError, DataError
from framework.core.log import log
from framework.core.reading import read_mapping
from framework.core.repeats import REPEATS, name_of_repeats
from framework.tracking.locks import current_state
from framework.tracking.metrics_file import LazySeries
from framework.tracking.naming import keyed, recorded_overrides
from framework.tracking.thinning import is_long, parts, summary, thinned
from framework.tracking.thinning import means as means

WIDEST = 40  # maximum characters of a value in a table
ENDED = ("finished", "stopped_early")  # statuses of runs that ended with a value
Series = Mapping[str, np.ndarray]  # metric -> (K, 2) of step and value


@dataclass(frozen=True)
class RecordedJob:
    """A recorded job of a sweep.

    Attributes:
        kept: metric -> value at the saved weights, if the job has ended.
        kept_step: the training step of these weights.
        lower: metric -> whether less of it is better.
        folder: its folder.
    """

    name: str
    overrides: Mapping[str, str]
    status: str
    series: Series
    kept: Mapping[str, float] = field(default_factory=dict)
    lower: Mapping[str, bool] = field(default_factory=dict)
    kept_step: float = np.inf
    folder: Path = Path()

    def value(self, metric: str, at: str) -> float:
        """A value of a metric's series; NaN if the job diverged, except for the first one."""
        if self.status == "diverged" and at != "first":
            return float("nan")
        if at == "kept" and metric in self.kept:
            return self.kept[metric]
        if is_long(self.series, metric) and (known := self._summarized(metric, at)) is not None:
            return known
        series = self.series[metric]
        if at == "kept" and self.kept_step < series[-1, 0] and "_by_lag" not in metric:
            series = series[: max(1, int((series[:, 0] <= self.kept_step).sum()))]
        return reduce_series(series[:, 1], at, self.lower_is_better(metric))

    def _summarized(self, metric: str, at: str) -> float | None:
        """The same of a series that is not in memory; None: its points are needed."""
        known, lower = summary(self.series, metric), self.lower_is_better(metric)
        if at == "kept":
            return None if self.kept_step < known.last[0] else float(known.last[1])
        return {
            "first": float(known.first[1]),
            "last": float(known.last[1]),
            "best": known.least if lower else known.greatest,
        }.get(at)

    def lower_is_better(self, metric: str) -> bool:
        """Whether less of a metric is better, as recorded."""
        return lower_is_better(metric, self.lower)


@dataclass(frozen=True)
class SeedGroup:
    """Jobs that differ only in the seed, the fold, or the data-set seed.

    Attributes:
        keys: swept key -> value, without these.
    """

    keys: Mapping[str, str]
    jobs: tuple[RecordedJob, ...]

    def curve(self, metric: str, points: int | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Steps, mean over seeds and standard deviation, at the steps that every seed has; None without such.

        Args:
            points: maximum number of points: means of consecutive steps, computed per seed, so that the deviation is between
            seeds and not between batches.
        """
        having = [job.series for job in self.jobs if metric in job.series]
        if not having:
            return None
        if points and any(is_long(series, metric) for series in having) and (upto := common(having, metric)):
            thin = [thinned(series, metric, points, upto) for series in having]
            values = np.stack([a[:, 1] for a in thin])
            with np.errstate(invalid="ignore"):
                return thin[0][:, 0], values.mean(0), values.std(0)
        found = [series[metric] for series in having]
        steps = sorted(set.intersection(*(set(a[:, 0].tolist()) for a in found)))
        values = np.stack([a[np.isin(a[:, 0], steps), 1] for a in found])
        with np.errstate(invalid="ignore"):  # a diverged seed ends in inf, which has no spread
            values = means(values.T, points or len(steps)).T
            return means(np.array(steps), points or len(steps)), values.mean(0), values.std(0)

    def values(self, metric: str, at: str) -> np.ndarray:
        """One value per job that has the metric; NaN if it diverged, even before the metric was recorded."""
        able = [job for job in self.jobs if metric in job.series or job.status == "diverged"]
        return np.array([job.value(metric, at) if metric in job.series else np.nan for job in able])

    def mean(self, metric: str, at: str) -> float:
        """The mean over the jobs; NaN if none has the metric, or one diverged."""
        values = self.values(metric, at)
        return float(values.mean()) if len(values) else float("nan")

    def lower_is_better(self, metric: str) -> bool:
        """Whether less of a metric is better, as recorded by its jobs."""
        return self.jobs[0].lower_is_better(metric)

    def reached(self, metric: str, goal: float) -> np.ndarray:
        """For each job with the metric, the first step at which it reaches the goal; NaN for jobs that never do."""
        lower = self.lower_is_better(metric)
        found = [parts(job.series, metric) for job in self.jobs if metric in job.series]
        steps = [[first_step(part, goal, lower) for part in each] for each in found]
        return np.array([next((step for step in each if np.isfinite(step)), np.nan) for each in steps])


def common(series: Sequence[Series], metric: str) -> int:
    """How many steps all series have at their start, where their steps are the same; 0: they are not."""
    known = [summary(each, metric) for each in series]
    same = len({(each.first[0], each.stride) for each in known}) == 1 and np.isfinite(known[0].stride)
    return min(each.count for each in known) if same or len(known) == 1 else 0


def reduce_series(values: np.ndarray, at: str, lower: bool) -> float:
    """The last, first, smallest or largest value of a series, its mean, or its fluctuation."""
    if at == "mean":
        return float(values.mean())
    if at == "fluctuation":
        return float(np.sqrt(np.mean(np.diff(values[len(values) // 2 :]) ** 2))) if len(values) > 3 else float("nan")
    if at == "best":
        return float(np.nanmin(values) if lower else np.nanmax(values))
    return float(values[0 if at == "first" else -1])


def first_step(series: np.ndarray, goal: float, lower: bool) -> float:
    """The first step of a series (K, 2) whose value reaches the goal, or NaN."""
    step, values = series.T
    there = values <= goal if lower else values >= goal
    return float(step[there.argmax()]) if there.any() else float("nan")


def read_jobs(sweep: Path) -> list[RecordedJob]:
    """The started jobs of a sweep's folder, in order."""
    folders = sorted((path.parent for path in sweep.glob("*/run.json")), key=lambda path: (len(path.name), path.name))
    goal = read_mapping(sweep / "sweep.json").get("objective")
    known = isinstance(goal, dict) and {"metric", "lower_is_better"} <= goal.keys()
    searched = {goal["metric"]: goal["lower_is_better"]} if goal and known else {}  # overrides the metric's declaration
    found = [job for folder in folders if (job := read_job(folder))]
    return [replace(job, lower=searched | dict(job.lower) | searched) for job in found]


def none_started(sweep: Path) -> ConfigError:
    """The error of what needs a job of a sweep that was killed before the first one was recorded."""
    return ConfigError(f"{sweep}: no job was started; `stackprop resume {sweep}` runs its jobs")


def read_job(folder: Path) -> RecordedJob | None:
    """A job; None, with a warning, if its record is not valid."""
    try:
        return _job(folder)
    except (OSError, DataError) as error:
        log.warning(f"{error}; the job is left out")
        return None


def _job(folder: Path) -> RecordedJob:
    state = current_state(folder)
    if (words := recorded_overrides(state)) is None:
        raise DataError(f"{folder / 'run.json'}: cannot be read")
    path = folder / "metrics.jsonl"
    kept = {name: float(value) for name, value in state.get("metrics", {}).items()}
    found: Series = LazySeries(path) if path.exists() else {}
    step = (state.get("kept") or {}).get("step", np.inf)
    lower = state.get("lower_is_better", {})
    return RecordedJob(folder.name, keyed(words), state.get("status", "?"), found, kept, lower, step, folder)


def over_epochs(jobs: Sequence[RecordedJob]) -> list[RecordedJob]:
    """The jobs with series over epochs, each by the length of its own.

    Raises:
        ConfigError: a job does not record how many steps an epoch has.
    """
    return [replace(job, series=in_epochs(job.series, job.folder)) for job in jobs]


def swept(jobs: Sequence[RecordedJob]) -> list[str]:
    """The keys in which the jobs differ, in the order of their overrides."""
    keys = dict.fromkeys(key for job in jobs for key in job.overrides)
    return [key for key in keys if len({job.overrides.get(key) for job in jobs}) > 1]


def grouped(jobs: Sequence[RecordedJob], shown: Collection[str | None] = ()) -> list[SeedGroup]:
    """Jobs grouped over seeds, folds and data-set seeds.

    Args:
        shown: keys that a figure shows, which are not averaged over.
    """
    keys = [key for key in swept(jobs) if key not in REPEATS or key in shown]
    found: dict[tuple[str, ...], list[RecordedJob]] = {}
    for job in jobs:
        found.setdefault(tuple(job.overrides.get(key, "") for key in keys), []).append(job)
    return [SeedGroup(dict(zip(keys, values, strict=True)), tuple(members)) for values, members in found.items()]


def ranked(groups: Sequence[SeedGroup], metric: str, at: str) -> list[SeedGroup]:
    """The groups, the best mean over seeds first, diverged ones last. A metric without a declared direction, a norm for
    example, has no best value and leaves the order unchanged."""
    if not groups or not has_best(groups, metric):
        return list(groups)
    sign = 1 if groups and groups[0].lower_is_better(metric) else -1

    def place(group: SeedGroup) -> float:
        values = group.values(metric, at)
        return sign * float(values.mean()) if len(values) and np.isfinite(values).all() else float("inf")

    return sorted(groups, key=place)


def has_best(groups: Sequence[SeedGroup], metric: str) -> bool:
    """Whether a metric has a direction."""
    return metric.startswith(("train/", "val/", "test/")) or is_known(metric, groups[0].jobs[0].lower)


def best_group(groups: Sequence[SeedGroup], metric: str) -> SeedGroup | None:
    """The group with the best mean of a metric over its seeds, at the saved weights; not the one with the best single seed.
    Only groups count whose jobs have all ended with a value. None: there is no such group."""
    ended = [group for group in groups if all(job.status in ENDED and metric in job.series for job in group.jobs)]
    ended = [group for group in ended if np.isfinite(group.values(metric, "kept")).all()]
    return ranked(ended, metric, "kept")[0] if ended else None


def best_job(group: SeedGroup, metric: str) -> RecordedJob:
    """The best seed of a group."""
    sign = 1 if group.lower_is_better(metric) else -1
    return min(group.jobs, key=lambda job: sign * job.value(metric, "kept"))


def numbered(jobs: Sequence[RecordedJob]) -> str:
    """`0-3, 8` for the jobs 0, 1, 2, 3 and 8: the names of their folders."""
    names = [job.name for job in jobs]
    if not all(name.isdigit() for name in names):
        return ", ".join(names)
    spans: list[list[int]] = []
    for number in sorted({int(name) for name in names}):
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    parts = [f"{a}-{b}" if b > a else str(a) for a, b in spans]
    return ", ".join(parts if len(parts) <= 6 else [*parts[:4], "...", parts[-1]])


def metrics(jobs: Sequence[RecordedJob], pattern: str) -> list[str]:
    """The metrics that match a pattern with *, in the order in which they were recorded."""
    names = dict.fromkeys(name for job in jobs for name in job.series)
    return [name for name in names if fnmatch.fnmatchcase(name, pattern)]


def rows(
    groups: Sequence[SeedGroup], wanted: Mapping[str, str], reach: Mapping[str, float] | None = None
) -> Iterator[list[str]]:
    """Cells of the sweep's table: the header, then a row per group; mean ± standard deviation over seeds.

    Args:
        wanted: metric -> the value to show: kept, last, first or best.
    """
    keys, goals = list(groups[0].keys) if groups else [], reach or {}
    shown = [metric if at == "kept" else f"{at} {metric}" for metric, at in wanted.items()]
    headers = [f"steps to {metric} {goal:g}" for metric, goal in goals.items()]
    repeated = name_of_repeats(swept([job for group in groups for job in group.jobs])) if groups else "seeds"
    yield [*(key.rpartition(".")[2] for key in keys), repeated, *shown, *headers, "status", "jobs"]
    for group in groups:
        cells = [cell(group.values(metric, at)) for metric, at in wanted.items()]
        cells += [cell(group.reached(metric, goal), "never") for metric, goal in goals.items()]
        statuses = sorted({job.status for job in group.jobs})
        keyed = [shortened(format_value(group.keys[key])) for key in keys]
        yield [*keyed, str(len(group.jobs)), *cells, ", ".join(statuses), numbered(group.jobs)]


def cell(values: np.ndarray, none: str = "-") -> str:
    """Mean and standard deviation over the seeds with a finite value, and their number if not all have one."""
    there = values[np.isfinite(values)]
    if not len(there):
        return none
    text = f"{there.mean():.4g}" + (f" ± {spread(there):.2g}" if len(there) > 1 else "")
    return text + (f" ({len(there)} of {len(values)})" if len(there) < len(values) else "")


def spread(values: np.ndarray) -> float:
    """Standard deviation, NaN if a run diverged."""
    return float(values.std()) if np.isfinite(values).all() else float("nan")


def shortened(word: str) -> str:
    """At most `WIDEST` characters of a value."""
    return word if len(word) <= WIDEST else f"{word[: WIDEST - 3]}..."


def format_value(value: str) -> str:
    """A swept value in readable form: `{type:batch_norm,after:act}` is `batch_norm after:act`."""
    return value.strip("{}").removeprefix("type:").replace(",", " ") if value.startswith("{") else value
