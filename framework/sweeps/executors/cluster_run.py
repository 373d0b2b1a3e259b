"""Runs stacks as tasks of a cluster: submits them, watches their folders, and collects the results."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from framework.core.reading import open_regular
from framework.experiments.sync import close_lost_runs
from framework.sweeps.executors.cluster import Cluster, TaskLostError
from framework.sweeps.executors.task import JobEnd, task_of, values
from framework.sweeps.jobs import Job
from framework.sweeps.progress import Progress
from framework.tracking.metrics_file import parsed

POLL = 0.5  # seconds between checks of the tasks
GRACE = 30.0  # seconds that tasks have to end their jobs when the sweep is stopped
TAIL = 4096  # bytes of a run's metrics that are read


def run_in_cluster(cluster: Cluster, groups: Sequence[list[Job]], n_jobs: int | None, progress: Progress) -> dict[int, Any]:
    """Number -> the validation loss, or the exception that ended the job.

    Args:
        n_jobs: tasks at once; None: the cluster decides.
    """
    waiting, running, found = list(enumerate(groups)), list[tuple[Any, list[Job]]](), dict[int, Any]()
    try:
        while waiting or running:
            while waiting and (n_jobs is None or len(running) < n_jobs):
                number, group = waiting.pop(0)
                running.append((cluster.submit(task_of(group), number), group))
            for handle, group in list(running):
                ends = _ends(cluster, handle, group)
                if ends is None:
                    read_progress(group, progress)
                    continue
                running.remove((handle, group))
                found |= values(group, ends, progress)
            time.sleep(POLL)
        return found
    finally:
        _stop(cluster, running)
        cluster.close()


def _ends(cluster: Cluster, handle: Any, group: Sequence[Job]) -> list[JobEnd] | None:
    try:
        return cluster.ends(handle)
    except TaskLostError as lost:
        close_lost_runs(group[0].place.runs)
        return [JobEnd({}, str(lost))] * len(group)


def _stop(cluster: Cluster, running: Sequence[tuple[Any, list[Job]]]) -> None:
    """Cancel running tasks, and wait until they have recorded their ends."""
    for handle, _ in running:
        cluster.cancel(handle)
    until = time.monotonic() + GRACE
    for handle, group in running:
        while _ends(cluster, handle, group) is None and time.monotonic() < until:
            time.sleep(POLL)


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
