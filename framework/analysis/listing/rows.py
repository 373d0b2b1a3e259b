"""The rows of a list: runs, and sweeps with their jobs."""

from __future__ import annotations

import functools
import math
import os
import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from framework.core.direction import lower_is_better
from framework.core.reading import parse_yaml, read_text
from framework.tracking.folders import SWEEP, walk
from framework.tracking.locks import living
from framework.tracking.mlflow import flattened
from framework.tracking.naming import KEYS as ABOUT
from framework.tracking.naming import ORIGINS, About, about_of, key_of, keyed, recorded_overrides, run_name, short_keys
from framework.tracking.run_dir import read_state, read_sweep, runs_dir

FIELDS = ("status", "name", "sweep", *ORIGINS, "notes", "id", "folder", "started", "seconds", "reason", "version", "tier")
SPAN = 24  # characters of the values of a swept key
FEW = 4  # values of a swept key that are shown in full
MISSING = object()


@dataclass(frozen=True)
class RunRow:
    """A recorded run, in short.

    Attributes:
        state: the content of `run.json`.
        sweep: the folder of its sweep, if it is a job of one.
        group: the content of that sweep's `sweep.json`.
    """

    folder: Path
    state: Mapping[str, Any]
    sweep: Path | None = None
    group: Mapping[str, Any] = field(default_factory=dict)
    gone: bool = False

    @property
    def status(self) -> str:
        """As recorded; `lost` if no process runs it any more."""
        return "lost" if self.gone else str(self.state.get("status", "unreadable"))

    @functools.cached_property
    def about(self) -> About:
        """What the user says about it; a job has the tags and notes of its sweep."""
        own, whole = about_of(self.state), about_of(self.group)
        return About(own.name, {**whole.tags, **own.tags}, own.notes or whole.notes)

    @property
    def name(self) -> str:
        """What names it in a command: the name given to it, or the one of its folder; a job's is `SWEEP/3`."""
        if self.sweep is not None:
            return f"{about_of(self.group).name or _relative(self.sweep)}/{self.folder.name}"
        return self.about.name or _relative(self.folder)

    @property
    def started(self) -> float:
        """Seconds since 1970."""
        return float(self.state.get("started", 0))

    @functools.cached_property
    def words(self) -> list[str]:
        """The overrides of its command."""
        return recorded_overrides(self.state) or []

    @functools.cached_property
    def overrides(self) -> dict[str, str]:
        """Key -> value of its command, both as typed."""
        return keyed(word for word in self.words if "=" in word)

    @property
    def what(self) -> str:
        """What differs from the defaults, in short; of a job first what varies in its sweep, which is its name."""
        text, name = run_name(self.words), str(self.state.get("name", ""))
        if self.sweep is None or name == text:
            return text
        return f"{name}  {' '.join(part for part in text.split() if part not in name.split())}".strip()

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics at the saved weights."""
        return {name: float(value) for name, value in self.state.get("metrics", {}).items()}

    @property
    def runs(self) -> list[RunRow]:
        """The runs of the row."""
        return [self]

    def lower_is_better(self, metric: str) -> bool:
        """Whether less of a metric is better, as recorded."""
        goal = self.group.get("objective") or {}
        known = isinstance(goal.get("metric"), str) and isinstance(goal.get("lower_is_better"), bool)
        searched = {goal["metric"]: goal["lower_is_better"]} if known else {}
        return lower_is_better(metric, {**self.state.get("lower_is_better", {}), **searched})

    def value(self, key: str) -> Any:
        """A field, a tag, a metric, a choice of a group, or a value of the configuration; MISSING without it."""
        if key in FIELDS:
            return self._field(key)
        if key.startswith("tags."):
            return self.about.tags.get(key.removeprefix("tags."), MISSING)
        for known in (self.metrics, self.state.get("choices", {})):
            if key in known:
                return known[key]
        if key in self.overrides and not re.search(r"[${\[]", self.overrides[key]):
            return self.overrides[key].strip("'\"")
        found: Any = _section(self.folder, key.partition(".")[0])
        for part in key.split("."):
            if not isinstance(found, Mapping) or part not in found:
                return MISSING
            found = found[part]
        return found.get("type", MISSING) if isinstance(found, Mapping) else found

    def _field(self, key: str) -> Any:
        if key in ("status", "name", "started"):
            return getattr(self, key)
        if key == "seconds":
            return self.state["ended"] - self.started if isinstance(self.state.get("ended"), int | float) else MISSING
        others = {"notes": self.about.notes, "id": self.state.get("mlflow_run_id"), "folder": str(self.folder)}
        others["sweep"] = self.sweep.name if self.sweep else None
        others |= {origin: self.state.get("tags", {}).get(origin) for origin in ORIGINS}
        found = others.get(key, self.state.get(key))
        return MISSING if found in (None, "") else found

    @property
    def keys(self) -> list[str]:
        """The keys that `value` knows."""
        tags = [f"tags.{key}" for key in self.about.tags]
        config = [key for key, _ in flattened(_tree(self.folder))]
        return [*FIELDS, *self.metrics, *tags, *self.state.get("choices", {}), *config]


@dataclass(frozen=True)
class SweepRow:
    """A sweep: the jobs of it that match.

    Attributes:
        runs: the jobs that match.
        every: all jobs that were started.
    """

    folder: Path
    group: Mapping[str, Any]
    runs: list[RunRow]
    every: list[RunRow]

    @property
    def about(self) -> About:
        """What the user says about it."""
        return about_of(self.group)

    @property
    def name(self) -> str:
        """What names it in a command."""
        return self.about.name or _relative(self.folder)

    @property
    def started(self) -> float:
        """When it was launched last, in seconds since 1970."""
        launched = self.group.get("launched")
        return float(launched) if isinstance(launched, int | float) else max(run.started for run in self.every)

    @property
    def status(self) -> str:
        """`3 of 4 finished, 1 failed`: of all its jobs, those that do not match included."""
        found = [run.status for run in self.every]
        counts = [f"{found.count(status)} {status}" for status in sorted(set(found), key=found.count, reverse=True)]
        planned = max(len(self.every), len(self.group.get("jobs") or ()))
        counts += [f"{planned - len(found)} not started"] if planned > len(found) else []
        whole = f" of {planned}" if found.count(found[0]) < planned or len(counts) > 1 else ""
        return f"{counts[0].partition(' ')[0]}{whole} {', '.join([counts[0].partition(' ')[2], *counts[1:]])}"

    @functools.cached_property
    def swept(self) -> dict[str, list[str]]:
        """Key -> its values, for the keys in which the jobs differ."""
        keys = dict.fromkeys(key for run in self.every for key in run.overrides)
        values = {key: list(dict.fromkeys(run.overrides.get(key, "") for run in self.every)) for key in keys}
        return {key: found for key, found in values.items() if len(found) > 1}

    @property
    def what(self) -> str:
        """The swept values, and what else differs from the defaults."""
        short = short_keys(self.swept)
        varied = " ".join(f"{short[key]}={_span(values)}" for key, values in self.swept.items())
        rest = [word for word in self.every[0].words if key_of(word) not in self.swept]
        return f"{varied}  {run_name(rest)}".strip()

    def best(self, metric: str | None = None) -> RunRow:
        """The best of the matching jobs by a metric; by default the one that the sweep records."""
        if metric is None:
            recorded = (self.group.get("best") or {}).get("job")
            return next((run for run in self.runs if run.folder.name == recorded), self.best("val/loss"))
        sign = 1 if self.runs[0].lower_is_better(metric) else -1
        return min(self.runs, key=lambda run: _last_if_nan(sign * run.metrics.get(metric, math.nan)))

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics of the best job."""
        return self.best().metrics


Row = RunRow | SweepRow


def listed(runs: Path | None = None) -> list[RunRow]:
    """All recorded runs, jobs of sweeps included."""
    runs, groups = runs_dir() if runs is None else runs, dict[str, Mapping[str, Any]]()
    busy, rows = living(runs), []
    for folder in walk(runs).runs:
        state, above = read_state(folder), os.path.dirname(folder)
        if above not in groups:
            groups[above] = read_sweep(folder.parent) if (folder.parent / SWEEP).is_file() else {}
        sweep = folder.parent if groups[above] or "sweep" in state.get("tags", {}) else None
        gone = state.get("status") == "running" and busy is not None and folder.resolve() not in busy
        rows.append(RunRow(folder, state, sweep, groups[above], gone))
    return rows


def folded(found: Iterable[RunRow], every: Iterable[RunRow]) -> list[Row]:
    """The rows with the jobs of each sweep as one."""
    jobs, matching, rows = dict[Path, list[RunRow]](), dict[Path, list[RunRow]](), list[Row]()
    for run in every:
        if run.sweep is not None:
            jobs.setdefault(run.sweep, []).append(run)
    for run in found:
        if run.sweep is None:
            rows.append(run)
        else:
            matching.setdefault(run.sweep, []).append(run)
    return rows + [SweepRow(sweep, own[0].group, own, jobs[sweep]) for sweep, own in matching.items()]


def in_order(rows: list[Row], key: str) -> list[Row]:
    """The rows in the order of a key."""
    rows = sorted(rows, key=lambda row: row.started, reverse=True)  # equal ones too
    if key == "started":
        return rows
    if any(key in run.metrics for row in rows for run in row.runs):
        sign = next(1 if run.lower_is_better(key) else -1 for row in rows for run in row.runs if key in run.metrics)
        return sorted(rows, key=lambda row: _last_if_nan(sign * best_of(row, key).metrics.get(key, math.nan)))
    return sorted(rows, key=lambda row: _ascending(row.name if key == "name" else row.runs[0].value(key)))


def best_of(row: Row, metric: str | None = None) -> RunRow:
    """The run of a row whose metrics it shows."""
    return row.best(metric) if isinstance(row, SweepRow) else row


def main_metrics(rows: Sequence[Row], first: str | None = None, most: int = 2) -> list[str]:
    """The metrics that most rows have: losses before others, of the validation split if there is one."""
    names = [name for row in rows for name in best_of(row).metrics if not name.startswith(("grad_norm/", "baseline/"))]
    counts = Counter(names)
    split = next((s for s in ("val/", "test/", "train/", "") if any(name.startswith(s) for name in counts)), "")
    able = sorted((name for name in counts if name.startswith(split)), key=lambda n: (not n.endswith("/loss"), -counts[n]))
    metric = first if first in counts or any(first in run.metrics for row in rows for run in row.runs) else None
    return list(dict.fromkeys([*([metric] if metric else []), *able]))[:most]


def _last_if_nan(value: float) -> float:
    return math.inf if math.isnan(value) else value


def _ascending(value: Any) -> tuple[int, float, str]:
    number = as_number(value)
    if value is MISSING:
        return 2, 0.0, ""
    return (1, 0.0, str(value)) if number is None else (0, _last_if_nan(number), "")


def as_number(value: Any) -> float | None:
    """A value as a number; None if it is none."""
    if isinstance(value, bool):
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _span(values: Sequence[str]) -> str:
    """`0.1,0.01`; many values in short: `0-7`, or `0.1...0.001 (20)`."""
    whole = [int(value) for value in values if re.fullmatch(r"\d{1,9}", value)]
    if len(whole) == len(values) > 2 and sorted(whole) == list(range(min(whole), max(whole) + 1)):
        return f"{min(whole)}-{max(whole)}"
    text = ",".join(values)
    return text if len(values) <= FEW and len(text) <= SPAN else f"{values[0]}...{values[-1]} ({len(values)})"


def _relative(folder: Path) -> str:
    """The name of a folder as a command takes it."""
    runs = runs_dir()
    return folder.name if folder.parent == runs else os.path.relpath(folder)


def _tree(folder: Path) -> Mapping[str, Any]:
    try:
        found = parse_yaml(read_text(folder / "config.yaml"), "config.yaml")
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _section(folder: Path, key: str) -> Mapping[str, Any]:
    """The part of a configuration under a top-level key. Parsing all of it would take a hundred times as long."""
    if key in ABOUT or not re.fullmatch(r"\w+", key):
        return {}
    try:
        text = read_text(folder / "config.yaml")
        found = re.findall(rf"^{key}:.*\n(?:[ #-].*\n)*", text, re.MULTILINE)
        return _parsed(found[0]) if len(found) == 1 else {}
    except (OSError, ValueError):
        return {}


@functools.lru_cache(4096)
def _parsed(text: str) -> Mapping[str, Any]:
    """The same few lines are in many runs."""
    found = parse_yaml(text, "config.yaml")
    return found if isinstance(found, dict) else {}


def when(started: float) -> str:
    """A time in short: the hour today, otherwise the day."""
    then, now = time.localtime(started), time.localtime()
    if then[:3] == now[:3]:
        return time.strftime("%H:%M", then)
    return time.strftime("%-d %b %H:%M" if then[0] == now[0] else "%Y-%m-%d", then)
