"""A sweep or a run while it trains, from its files alone: which jobs have ended, the best settings, and the curves.

Nothing is locked, and a file is read only where it has grown: another process may train at full speed meanwhile.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, pstdev
from typing import Any

from framework.core.direction import lower_is_better
from framework.core.errors import ConfigError
from framework.core.reading import open_regular
from framework.core.repeats import REPEATS
from framework.tracking.folders import SWEEP
from framework.tracking.metrics_file import parsed
from framework.tracking.naming import about_of, key_of, printable, run_name, varying
from framework.tracking.owner import is_alive, process_of
from framework.tracking.run_dir import read_state, read_sweep, tree_of_run

METRIC = "val/loss"
DONE, FAILED = ("finished", "stopped_early", "pruned"), ("failed", "diverged", "killed", "lost")
LARGEST = 1 << 20  # bytes that are read of a file at a time: of a file that has grown more, the end
POINTS = 60  # validations that are kept of a job
SILENT = 60.0  # seconds without a new line after which a run of an older version without a process counts as lost


@dataclass
class JobView:
    """A job, as far as its files were read.

    Attributes:
        group: its overrides that vary in the sweep, without the seed.
        state: its `run.json`.
        points: validation values of the metric, the newest last.
    """

    folder: Path
    group: str = ""
    state: Mapping[str, Any] = field(default_factory=dict)
    step: int = 0
    points: list[float] = field(default_factory=list)
    seen: tuple[int, int] = (0, 0)  # time and size of `run.json` when it was read
    offset: int = -1  # in `metrics.jsonl`; -1: not read yet
    grown: float = 0.0  # when it last had a new line

    @property
    def status(self) -> str:
        """`left` before the job starts."""
        return str(self.state.get("status", "left"))

    def read(self, metric: str) -> None:
        """Read what is new."""
        with contextlib.suppress(OSError):
            found = os.stat(self.folder / "run.json")
            if (found.st_mtime_ns, found.st_size) != self.seen:
                self.seen, self.state = (found.st_mtime_ns, found.st_size), read_state(self.folder)
        if self.status == "running":
            with contextlib.suppress(OSError, ValueError):
                self._tail(metric)
            sure = bool(self.state.get("process")) or time.time() - self.grown > SILENT
            if sure and not _may_live(self.state):
                self.state = read_state(self.folder) or self.state  # it may just have ended
                self.state = {**self.state, "status": "lost"} if self.status == "running" else self.state

    def _tail(self, metric: str) -> None:
        with open(open_regular(self.folder / "metrics.jsonl"), "rb") as file:
            status = os.fstat(file.fileno())
            self.grown = status.st_mtime
            if status.st_size < self.offset:  # its stack failed, and it trains again from its first step
                self.offset, self.step, self.points = -1, 0, []
            if status.st_size <= self.offset:
                return
            start = max(self.offset, status.st_size - LARGEST, 0)
            file.seek(start)
            text = file.read(LARGEST)
        end = text.rfind(b"\n") + 1
        begin = text.find(b"\n") + 1 if start > max(self.offset, 0) else 0  # the first line is not complete
        self.offset = start + end
        mark = f'"{metric}": '.encode()
        lines = [line for line in text[begin:end].splitlines() if mark in line][-POINTS:] if mark in text else []
        last = text[text.rfind(b"\n", begin, max(end - 1, 0)) + 1 : end].strip()
        for line in parsed([line.decode(errors="replace") for line in [*lines, last] if line]):
            self.step = max(self.step, line["step"])
        found = parsed([line.decode(errors="replace") for line in lines])
        self.points += [float(line[metric]) for line in found]
        del self.points[:-POINTS]

    def value(self, metric: str) -> float:
        """The metric at the saved weights; of a running job, its newest value; NaN without one."""
        if self.status in DONE:
            return float(self.state.get("metrics", {}).get(metric, math.nan))
        return self.points[-1] if self.points and self.status == "running" else math.nan


def _may_live(state: Mapping[str, Any]) -> bool:
    """Whether the process of a run lives, as far as this machine knows."""
    return is_alive(process_of(state), silence=0.0)


@dataclass(frozen=True)
class Setting:
    """The jobs that differ only in the seed: mean and spread of the metric, and how many of them have a value."""

    name: str
    mean: float
    std: float
    with_value: int
    jobs: int


@dataclass(frozen=True)
class Running:
    """Jobs that train in one process at the moment.

    Attributes:
        epoch: of how many, as text; steps, if the length of an epoch is not known.
        curve: the mean of the metric over these jobs, a value for each validation.
        left: seconds; NaN if not known.
    """

    jobs: tuple[str, ...]
    epoch: str
    curve: tuple[float, ...]
    left: float


@dataclass(frozen=True)
class Frame:
    """What is shown at one moment.

    Attributes:
        counts: done, running, failed, lost (its process was killed), left.
        settings: the best ones, the best first.
    """

    title: str
    metric: str
    counts: Mapping[str, int]
    settings: Sequence[Setting]
    running: Sequence[Running]
    ended: bool


class Watcher:
    """Reads a sweep or a run again and again.

    Args:
        folder: from `find_any`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.is_sweep = folder, not (folder / "run.json").is_file()
        self.jobs: dict[str, JobView] = {} if self.is_sweep else {folder.name: JobView(folder)}
        self.content: dict[str, Any] = {}
        self.seen, self.monitor = 0, ""
        self.began: dict[
            tuple[str, ...], tuple[float, int]
        ] = {}  # running jobs -> when they were first seen, and their step

    def frame(self) -> Frame:
        """Read what is new."""
        if self.is_sweep:
            self._read_sweep()
        goal = self.content.get("objective") or {}
        metric = str(goal.get("metric") or self._monitor())
        for job in self.jobs.values():
            if job.status not in (*DONE, *FAILED) or not self.is_sweep or not job.seen[0]:
                job.read(metric)
        title = about_of(self.content).name or next((str(j.state["name"]) for j in self._single() if "name" in j.state), "")
        counts = Counter(self._kind(job) for job in self.jobs.values())
        return Frame(
            printable(f"{self.folder.name}  {title}" if title and title != self.folder.name else self.folder.name),
            metric,
            {kind: counts[kind] for kind in ("done", "running", "failed", "lost", "left")},
            self._settings(metric, goal),
            self._running(),
            not counts["running"] and (not counts["left"] or not self._goes_on()) and not self._more_come(),
        )

    def _monitor(self) -> str:
        """The metric of early stopping, by which the table at the end is sorted, too."""
        for job in self.jobs.values() if not self.monitor else ():
            with contextlib.suppress(ConfigError):  # it has not started yet, or its file is damaged
                trainer = tree_of_run(job.folder).get("trainer")
                stopping = trainer.get("early_stopping") if isinstance(trainer, Mapping) else None
                self.monitor = str(stopping.get("monitor") or METRIC) if isinstance(stopping, Mapping) else METRIC
                break
        return self.monitor or METRIC

    def _single(self) -> list[JobView]:
        return [] if self.is_sweep else list(self.jobs.values())

    @staticmethod
    def _kind(job: JobView) -> str:
        if job.status in ("running", "lost", "left"):
            return job.status
        return "done" if job.status in DONE else "failed"

    def _read_sweep(self) -> None:
        try:
            changed = (self.folder / SWEEP).stat().st_mtime_ns
        except OSError:
            return
        if changed == self.seen or not (content := read_sweep(self.folder)):
            return
        self.seen, self.content = changed, content
        jobs = {number: job for number, job in content.get("jobs", {}).items() if isinstance(job, dict)}
        given = {}
        for number, job in jobs.items():
            words = [word for word in job.get("overrides") or [] if isinstance(word, str)]
            given[number] = {key_of(word): word for word in words if key_of(word) not in REPEATS}
        keys = varying(list(given.values()))
        for number, job in jobs.items():
            name = str(job.get("folder", number))
            if name not in self.jobs and Path(name).name == name:
                self.jobs[name] = JobView(self.folder / name)
            if name in self.jobs:
                self.jobs[name].group = run_name([word for key, word in given[number].items() if key in keys])

    def _goes_on(self) -> bool:
        """Whether the process of the sweep is alive, as far as this machine knows."""
        processes = {str(process_of(job.state)): job.state for job in self.jobs.values() if job.state}
        return not processes or any(map(_may_live, processes.values()))

    def _more_come(self) -> bool:
        """Whether a search may start more jobs: its process is alive, and has not recorded a result yet."""
        return self.is_sweep and "best" not in self.content and self._goes_on()

    def _settings(self, metric: str, goal: Mapping[str, Any]) -> list[Setting]:
        groups: dict[str, list[JobView]] = {}
        for job in self.jobs.values():
            groups.setdefault(job.group, []).append(job)
        known: Mapping[str, bool] = next(
            (job.state.get("lower_is_better", {}) for job in self.jobs.values() if job.state), {}
        )
        lower = goal.get("lower_is_better")
        sign = 1 if (lower if isinstance(lower, bool) else lower_is_better(metric, known)) else -1
        found = []
        for name, jobs in groups.items():
            values = [value for job in jobs if math.isfinite(value := job.value(metric))]
            if values:
                found.append(Setting(printable(name), mean(values), pstdev(values), len(values), len(jobs)))
        # A setting with a diverged seed, or one that has not started, comes after those with all values.
        return sorted(found, key=lambda each: (each.with_value < each.jobs, sign * each.mean))

    def _running(self) -> list[Running]:
        stacks: dict[Any, list[JobView]] = {}
        for job in self.jobs.values():
            if job.status == "running":
                stacks.setdefault(str(process_of(job.state)), []).append(job)
        return [self._stack(jobs) for jobs in stacks.values()]

    def _stack(self, jobs: Sequence[JobView]) -> Running:
        first, names = jobs[0], tuple(job.folder.name for job in jobs)
        step, steps, length = first.step, first.state.get("steps") or 0, first.state.get("steps_per_epoch") or 0
        epoch = f"{math.ceil(step / length)}/{math.ceil(steps / length)}" if length else f"{step}/{steps} steps"
        began, before = self.began.setdefault(names, (float(first.state.get("started", 0)), 0))
        pace = (time.time() - began) / (step - before) if step > before else math.nan
        count = min(len(job.points) for job in jobs)
        curve = [sum(job.points[i - count] for job in jobs) / len(jobs) for i in range(count)]
        return Running(names, epoch, tuple(curve), pace * max(steps - step, 0))
