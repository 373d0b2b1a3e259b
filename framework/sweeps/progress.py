"""The progress of a sweep: one line on a terminal, a few lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from framework.core.callback import Callback, StartedRun, TrainingResult
from framework.core.direction import lower_is_better
from framework.core.terminal import GAP, WIDTH, shortened, times
from framework.sweeps.jobs import Job

# Without a terminal: the maximum number of progress lines, and the minimum seconds between them.
LINES, PATIENCE = 20, 5.0


class Progress:
    """Shows the progress of a sweep.

    Args:
        jobs: jobs to run.
        done: number of jobs that finished before.
    """

    def __init__(self, jobs: Sequence[Job], done: int = 0) -> None:
        self.of, self.ended_before, self.ended = len(jobs) + done, done, 0
        self.total = sum(job.experiment.steps for job in jobs)
        self.steps: dict[int, int] = {}
        self.values: dict[int, tuple[float, str]] = {}  # job -> value to minimize, and its text
        self.lock, self.started = threading.Lock(), time.monotonic()
        self.due = self.started + PATIENCE
        self.trains = False
        self.bar: Any = None
        if sys.stderr.isatty():
            self._start_bar()

    def _start_bar(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        clock = (TimeElapsedColumn(), TimeRemainingColumn())
        columns = (TextColumn("{task.fields[jobs]}"), BarColumn(20), *clock, TextColumn("{task.description}"))
        self.bar = Bar(*columns, console=Console(stderr=True), transient=True)
        self.task = self.bar.add_task("", total=self.total, jobs=self._jobs())
        self.bar.start()

    def callback(self, jobs: Sequence[Job]) -> StackCallback:
        """A callback of a stack with these jobs."""
        return StackCallback(self, jobs)

    def at(self, job: Job, step: int) -> None:
        """Update the step of a job."""
        with self.lock:
            if not self.trains:
                self.trains, self.started = True, time.monotonic()  # opening a store takes seconds and is not training time
            self.steps[job.number] = step
            self._show()

    def measured(self, job: Job, values: Mapping[str, float]) -> None:
        """Record the monitored metric, at the weights that the job would save now."""
        options = job.experiment.learner.options
        name = options.early_stopping.monitor
        if not np.isfinite(value := values.get(name, float("nan"))):
            return
        sign = 1 if lower_is_better(name, job.experiment.directions) else -1
        with self.lock:
            before = self.values.get(job.number)
            if not (options.keeps_best and before and before[0] <= sign * value):
                self.values[job.number] = sign * value, f"best {name} {value:.4g} ({job.place.name})"

    def finished(self, jobs: Sequence[Job]) -> None:
        """Count jobs that have ended and are recorded."""
        with self.lock:
            self.ended += len(jobs)
            for job in jobs:
                self.steps[job.number] = job.experiment.steps
            self._show()

    def say(self, text: str) -> None:
        """Print a line beside the bar."""
        with self.lock:
            if self.bar:
                self.bar.console.print(text, markup=False, highlight=False)
            else:
                print(text, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Remove the bar."""
        if self.bar:
            self.bar.stop()

    def _jobs(self) -> str:
        return f"{self.ended_before + self.ended}/{self.of} jobs"

    def _show(self) -> None:
        at = sum(self.steps.values())
        best = min(self.values.values(), default=(0.0, ""))[1]
        if self.bar:
            self.bar.update(self.task, completed=at, description=best, jobs=self._jobs())
        elif time.monotonic() >= self.due:
            now = time.monotonic()
            left = (now - self.started) * (self.total - at) / max(at, 1)
            line = GAP.join(filter(None, (self._jobs(), times(now - self.started, left), best)))
            print(shortened(line, WIDTH), flush=True)
            self.due = now + max(PATIENCE, (left + now - self.started) / LINES)


class StackCallback(Callback):
    """Updates a sweep's progress from the members of one stack."""

    def __init__(self, progress: Progress, jobs: Sequence[Job]) -> None:
        self.progress, self.jobs = progress, jobs
        self.by_folder = {job.place.folder: job for job in jobs}

    def on_start(self, runs: Sequence[StartedRun]) -> None:
        """Follow these runs: all of the stack, or a part that is trained again."""
        self.jobs = [self.by_folder[run.folder] for run in runs]

    def on_steps(self, member: int, first: int, columns: Sequence[str], rows: np.ndarray) -> None:
        """Update the step."""
        self.progress.at(self.jobs[member], first + len(rows) - 1)

    def on_metrics(self, member: int, step: int, values: Mapping[str, float]) -> None:
        """Update the best value."""
        self.progress.measured(self.jobs[member], values)

    def on_end(self, outcome: TrainingResult) -> None:
        """Report a failure at once. A pruned job has no steps to do."""
        job = self.jobs[outcome.member]
        if outcome.status == "pruned":
            self.progress.at(job, job.experiment.steps)
        if outcome.status == "diverged" and job.experiment.settings.trainer.on_divergence == "fail":
            self.progress.say(failure(job, f"diverged: {outcome.reason} at step {outcome.step}"))


def failure(job: Job, reason: str) -> str:
    """The line that reports a failed job."""
    return f"failed: job {job.number} ({' '.join(job.overrides)}): {'; '.join(reason.splitlines())}"
