"""Runs stacks as tasks of a cluster: submits them, watches their folders, and collects the results."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from framework.core.errors import ConfigError
from framework.core.reading import open_regular
from framework.experiments.failures import reason_of
from framework.experiments.sync import close_lost_runs
from framework.sweeps.executors.cluster import SEEN, SHARED, Cluster, NotNowError, RefusedError, TaskLostError
from framework.sweeps.executors.submitted import Submitted, add_task, keep_tasks
from framework.sweeps.executors.task import JobEnd, task_of, values
from framework.sweeps.jobs import Job
from framework.sweeps.progress import Progress
from framework.tracking.metrics_file import parsed
from framework.tracking.run_dir import read_state

POLL = 0.5  # seconds between checks of the tasks
RETRY = 30.0  # seconds until a task is submitted again that the engine did not take
GRACE = 30.0  # seconds that tasks have to end their jobs when the sweep is stopped
TAIL = 4096  # bytes of a run's metrics that are read


@dataclass
class RunningTask:
    """A task that waits or trains.

    Attributes:
        slot: the lowest number that no other task had when it was submitted.
        found: its results, while their records are not visible here.
        since: when it had results.
    """

    handle: Any
    group: Sequence[Job]
    slot: int
    found: list[JobEnd] = field(default_factory=list)
    since: float = 0.0


class ClusterRun:
    """The tasks of a sweep.

    Args:
        n_jobs: tasks at once; None: the cluster decides.
        earlier: tasks of an earlier launch that still wait or train, with their jobs.
    """

    def __init__(
        self,
        cluster: Cluster,
        groups: Sequence[Sequence[Job]],
        n_jobs: int | None,
        progress: Progress,
        earlier: Sequence[tuple[Any, Sequence[Job]]] = (),
    ) -> None:
        self.cluster, self.progress, self.waiting = cluster, progress, list(groups)
        self.running = [RunningTask(handle, group, slot) for slot, (handle, group) in enumerate(earlier)]
        self.jobs = [job for group in (*groups, *(group for _, group in earlier)) for job in group]
        self.values: dict[int, Any] = {}
        if (most := n_jobs or cluster.at_once) is not None:
            cluster.at_once = max(1, min(most, len(self.waiting)))
        self.most, self.refused, self.due = most, "", 0.0
        self.submitted = len(self.running)

    def collect(self) -> dict[int, Any]:
        """Run all tasks. Number -> the validation loss, or the exception that ended the job."""
        try:
            while self.waiting or self.running:
                self.submit()
                for task in list(self.running):
                    self.look(task)
                for line in self.cluster.news():
                    self.progress.say(line)
                time.sleep(POLL)
            for sweep in {job.place.folder.parent for job in self.jobs}:
                keep_tasks(sweep, ())
            return self.values
        finally:
            self.stop()
            self.cluster.close()

    def hand_over(self) -> dict[int, Any]:
        """Submit all tasks, and do not wait for them; the jobs of those that the cluster does not take have failed."""
        try:
            self.submit()
            for group in self.waiting:
                self.failed(group, f"not submitted: {self.refused}")
            return self.values
        finally:
            self.cluster.close()

    def submit(self) -> None:
        """Submit as many tasks as are allowed to wait or train at once."""
        while self.waiting and (self.most is None or len(self.running) < self.most) and time.monotonic() >= self.due:
            group = self.waiting[0]
            slot = next(number for number in range(len(self.running) + 1) if all(number != t.slot for t in self.running))
            try:
                task = task_of(group, secrets.token_hex(8))
                handle = self.cluster.submit(task, slot)
            except NotNowError as error:
                if str(error) != self.refused:
                    self.progress.say(f"stackprop: {error}; {len(self.waiting)} stacks wait for it")
                self.refused, self.due = str(error), time.monotonic() + RETRY
                return
            except RefusedError as error:
                if not self.submitted:  # all stacks have the same parameters
                    raise ConfigError(f"hydra.launcher.parameters: {error}; no job was started") from error
                self.failed(self.waiting.pop(0), str(error))
                continue
            except Exception as error:  # an engine may raise anything; the other stacks are tried
                self.failed(self.waiting.pop(0), reason_of(error))
                continue
            self.submitted += 1
            self.running.append(RunningTask(handle, self.waiting.pop(0), slot))
            if job := self.cluster.id_of(handle):
                add_task(group[0].place.folder.parent, task.token, Submitted(job, tuple(each.number for each in group)))

    def failed(self, group: Sequence[Job], reason: str) -> None:
        """Record that the jobs of a stack have failed."""
        self.values |= values(group, [JobEnd({}, reason)] * len(group), self.progress)

    def look(self, task: RunningTask) -> None:
        """Take the results of a task that has ended, once the records of its jobs are visible here."""
        if not task.found:
            found = self.ends(task)
            if found is None:
                read_progress(task.group, self.progress)
                return
            task.found, task.since = found, time.monotonic()
        pairs = list(zip(task.group, task.found, strict=True))
        missing = [job for job, end in pairs if not end.reason and not is_recorded(job)]
        if missing and time.monotonic() - task.since < SEEN:
            return
        self.running.remove(task)
        self.due = 0.0  # there is room for another one
        ends = [replace(end, reason=unrecorded(job, end)) if job in missing else end for job, end in pairs]
        self.values |= values(task.group, ends, self.progress)

    def ends(self, task: RunningTask) -> list[JobEnd] | None:
        """The results of a task, or the reason why there are none; None while it waits or trains."""
        try:
            return self.cluster.ends(task.handle)
        except TaskLostError as lost:
            close_lost_runs(task.group[0].place.runs, [job.place.folder for job in task.group])
            return [JobEnd({}, str(lost))] * len(task.group)

    def stop(self) -> None:
        """Cancel running tasks, and wait until they have recorded their ends."""
        for task in self.running:
            self.cluster.cancel(task.handle)
        until = time.monotonic() + GRACE
        for task in self.running:
            while self.ends(task) is None and time.monotonic() < until:
                time.sleep(POLL)


def is_recorded(job: Job) -> bool:
    """Whether the end of a job is on this machine's disk."""
    folder = job.place.folder
    with contextlib.suppress(OSError):
        os.listdir(folder)  # a network disk then looks for new files
    return bool(read_state(folder).get("status", "running") != "running")


def unrecorded(job: Job, end: JobEnd) -> str:
    """Why the result of a job does not count."""
    here, path, sweep = socket.gethostname(), job.place.folder / "run.json", job.place.folder.parent.name
    there = f"{end.host} has trained it, but its record" if end.host and end.host != here else "its record"
    return f"{there} is not on {here} ({path}); {SHARED}, then run: stackprop -m sweep.resume={sweep}"


def read_progress(group: Sequence[Job], progress: Progress) -> None:
    """Update the progress from the ends of the jobs' `metrics.jsonl`."""
    for job in group:
        for line in tail(job.place.folder / "metrics.jsonl"):
            progress.measured(job, line)
            progress.at(job, int(line["step"]))


def tail(path: Path) -> list[dict[str, Any]]:
    """The last complete lines of a file."""
    with contextlib.suppress(OSError, ValueError), open(open_regular(path), "rb") as file:
        file.seek(-min(TAIL, os.fstat(file.fileno()).st_size), os.SEEK_END)
        whole = file.read().decode().split("\n")
        return parsed(whole[file.tell() > TAIL : -1])
    return []
