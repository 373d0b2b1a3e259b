"""A stack that trains in another process or on another machine: what is sent, and its results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from framework.config.composition import disable_plugins, load_plugins
from framework.config.parser import parse_config
from framework.core.callback import Callback
from framework.core.errors import RunFailed
from framework.core.signals import StopRequest
from framework.experiments.experiment import prepare
from framework.experiments.failures import reason_of
from framework.experiments.runner import JobResult
from framework.registry.discovery import discover
from framework.sweeps.executors.restart import continues, run_members
from framework.sweeps.executors.submitted import read_tasks
from framework.sweeps.jobs import Job
from framework.sweeps.manifest import prepare_folder
from framework.sweeps.progress import Progress, failure
from framework.sweeps.session import session
from framework.tracking.run_dir import RunLocation, read_state, read_sweep

SINGLY = 4  # jobs that fail in the same way and are listed one by one


@dataclass(frozen=True)
class StackTask:
    """A stack to train.

    Attributes:
        members: for each: configuration, its recorded form, and location.
        launch: of the sweep; a task does nothing if the sweep was launched again while it waited.
        token: of a task that a later launch can wait for, instead of submitting its jobs again.
        kept: the files in the folder of a job that are no results.
    """

    members: tuple[tuple[Mapping[str, Any], Mapping[str, Any], RunLocation], ...]
    launch: str
    token: str = ""
    kept: tuple[str, ...] = ()


@dataclass(frozen=True)
class JobEnd:
    """The end of a job.

    Attributes:
        metrics: the last value of every metric.
        reason: of a failure; empty otherwise.
        reported: whether the failure was printed already.
        host: the machine that trained it; empty: this one.
    """

    metrics: Mapping[str, float]
    reason: str = ""
    reported: bool = False
    host: str = ""


def task_of(group: Sequence[Job], token: str = "") -> StackTask:
    """The task of training these jobs; their folders are prepared.

    Args:
        token: of a task of a cluster. Its jobs continue from the checkpoints of an earlier launch.
    """
    for job in group:
        if not (token and continues(job.place.folder, job.experiment.settings.tree)):
            prepare_folder(job)
    places = [replace(job.place, folder=job.place.folder.absolute(), runs=job.place.runs.resolve()) for job in group]
    trees = [(dict(job.experiment.settings.tree), dict(job.experiment.settings.written)) for job in group]
    members = tuple((*each, place) for each, place in zip(trees, places, strict=True))
    subdir = group[0].composed.hydra["output_subdir"]
    return StackTask(members, session().launch_id, token, () if subdir is None else (str(subdir),))


def train(task: StackTask, callbacks: Sequence[Callback] = (), stop: StopRequest | None = None) -> list[JobEnd]:
    """Train a stack in this process.

    Args:
        stop: a shared request, with which every job writes a checkpoint before the signal is raised.
    """
    if is_outdated(task):
        return [JobEnd({}, "the sweep was launched again before this job started")] * len(task.members)
    experiments, places = [], [place for *_, place in task.members]
    try:
        for tree, written, _ in task.members:
            disable_plugins(tree.get("disable_plugins"))
            load_plugins(tree.get("plugins"))
            experiments.append(prepare(replace(parse_config(tree, discover()), tree=tree, written=written)))
        results = run_members(experiments, places, callbacks, stop, task.kept)
        return [end_of(results[i]) if i in results else recorded_end(place.folder) for i, place in enumerate(places)]
    except Exception as error:  # a traceback of another process does not help the user
        return [JobEnd({}, reason_of(error))] * len(task.members)


def is_outdated(task: StackTask) -> bool:
    """Whether the sweep was launched again, without this task."""
    sweep = task.members[0][-1].folder.parent
    return bool(read_sweep(sweep).get("launch", task.launch) != task.launch and task.token not in read_tasks(sweep))


def recorded_end(folder: Path) -> JobEnd:
    """The result of a job that has ended before."""
    state = read_state(folder)
    metrics = {name: float(value) for name, value in state.get("metrics", {}).items()}
    return JobEnd(metrics, f"{state['status']}: {state.get('reason')}" if state.get("state") == "FAILED" else "")


def end_of(result: JobResult | RunFailed) -> JobEnd:
    """The result of a job in a form that can be sent."""
    if isinstance(result, RunFailed):
        return JobEnd({}, str(result), reported=result.__cause__ is None)  # divergence was reported at once
    return JobEnd(result.metrics)


def values(group: Sequence[Job], ends: Sequence[JobEnd], progress: Progress) -> dict[int, Any]:
    """Number -> the validation loss, or the exception that ended the job; new failures are printed."""
    progress.finished(group)
    reasons: dict[str, list[Job]] = {}
    for job, end in zip(group, ends, strict=True):
        if end.reason and not end.reported:
            reasons.setdefault(end.reason, []).append(job)
    for reason, jobs in reasons.items():
        if len(jobs) <= SINGLY:
            for job in jobs:
                progress.say(failure(job, reason))
        else:
            line = "; ".join(reason.splitlines())
            progress.say(f"failed: {len(jobs)} jobs, {jobs[0].number} to {jobs[-1].number}: {line}")
    pairs = zip(group, ends, strict=True)
    return {job.number: RunFailed(end.reason) if end.reason else end.metrics.get("val/loss") for job, end in pairs}
