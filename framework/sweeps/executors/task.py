"""A stack that trains in another process or on another machine: what is sent, and its results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from framework.config.composition import disable_plugins, load_plugins
from framework.config.parser import parse_config
from framework.core.callback import Callback
from framework.core.errors import RunFailed
from framework.experiments.experiment import prepare
from framework.experiments.failures import reason_of
from framework.experiments.runner import JobResult, run_stack
from framework.registry.discovery import discover
from framework.sweeps.jobs import Job
from framework.sweeps.manifest import prepare_folder
from framework.sweeps.progress import Progress, failure
from framework.sweeps.session import session
from framework.tracking.run_dir import RunLocation, read_sweep

SINGLY = 4  # jobs that fail in the same way and are listed one by one


@dataclass(frozen=True)
class StackTask:
    """A stack to train.

    Attributes:
        members: for each: configuration, its recorded form, and location.
        launch: of the sweep; a task does nothing if the sweep was launched again while it waited.
    """

    members: tuple[tuple[Mapping[str, Any], Mapping[str, Any], RunLocation], ...]
    launch: str


@dataclass(frozen=True)
class JobEnd:
    """The end of a job.

    Attributes:
        metrics: the last value of every metric.
        reason: of a failure; empty otherwise.
        reported: whether the failure was printed already.
    """

    metrics: Mapping[str, float]
    reason: str = ""
    reported: bool = False


def task_of(group: Sequence[Job]) -> StackTask:
    """The task of training these jobs; their folders are prepared."""
    for job in group:
        prepare_folder(job)
    places = [replace(job.place, runs=job.place.runs.resolve()) for job in group]
    trees = [(dict(job.experiment.settings.tree), dict(job.experiment.settings.written)) for job in group]
    return StackTask(tuple((*trees, place) for trees, place in zip(trees, places, strict=True)), session().launch_id)


def train(task: StackTask, callbacks: Sequence[Callback] = ()) -> list[JobEnd]:
    """Train a stack in this process."""
    launch = read_sweep(task.members[0][-1].folder.parent).get("launch", task.launch)
    if launch != task.launch:
        return [JobEnd({}, "the sweep was launched again before this job started")] * len(task.members)
    experiments = []
    try:
        for tree, written, _ in task.members:
            disable_plugins(tree.get("disable_plugins"))
            load_plugins(tree.get("plugins"))
            experiments.append(prepare(replace(parse_config(tree, discover()), tree=tree, written=written)))
        return [end_of(result) for result in run_stack(experiments, [place for *_, place in task.members], callbacks)]
    except Exception as error:  # a traceback of another process does not help the user
        return [JobEnd({}, reason_of(error))] * len(task.members)


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
            progress.say(f"failed: {len(jobs)} jobs, {jobs[0].number} to {jobs[-1].number}: {reason}")
    pairs = zip(group, ends, strict=True)
    return {job.number: RunFailed(end.reason) if end.reason else end.metrics.get("val/loss") for job, end in pairs}
