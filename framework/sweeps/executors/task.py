"""A stack that trains in another process or on another machine: what is sent there, and what comes back."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from framework.config.composition import load_plugins
from framework.config.parser import parse_config
from framework.core.callback import Callback
from framework.core.errors import RunFailed
from framework.experiments.experiment import prepare
from framework.experiments.runner import JobResult, reason_of, run_stack
from framework.registry.discovery import discover
from framework.sweeps.folders import prepare_folder
from framework.sweeps.jobs import Job
from framework.sweeps.progress import Progress, failure
from framework.tracking.run_dir import RunLocation, read_sweep


@dataclass(frozen=True)
class StackTask:
    """A stack to train.

    Attributes:
        members: configuration, the same as it is recorded, and place of each.
        launch: of the sweep; a task that has waited until the sweep was launched again does nothing.
    """

    members: tuple[tuple[Mapping[str, Any], Mapping[str, Any], RunLocation], ...]
    launch: str


@dataclass(frozen=True)
class JobEnd:
    """How a job ended.

    Attributes:
        metrics: the last value of everything measured.
        reason: of a failure; empty otherwise.
        told: whether it has been said already.
    """

    metrics: Mapping[str, float]
    reason: str = ""
    told: bool = False


def task_of(group: Sequence[Job]) -> StackTask:
    """The task of training these jobs; their folders are made ready."""
    for job in group:
        prepare_folder(job)
    places = [replace(job.place, runs=job.place.runs.resolve()) for job in group]
    told = [(dict(job.experiment.settings.tree), dict(job.experiment.settings.written)) for job in group]
    return StackTask(
        tuple((*trees, place) for trees, place in zip(told, places, strict=True)), os.environ.get("STACKPROP_ID", "")
    )


def train(task: StackTask, callbacks: Sequence[Callback] = ()) -> list[JobEnd]:
    """Train it here."""
    told = read_sweep(task.members[0][-1].folder.parent).get("launch", task.launch)
    if told != task.launch:
        return [JobEnd({}, "the sweep was launched again before its turn came")] * len(task.members)
    experiments = []
    try:
        for tree, written, _ in task.members:
            load_plugins(tree.get("plugins"))
            experiments.append(prepare(replace(parse_config(tree, discover()), tree=tree, written=written)))
        return [end_of(result) for result in run_stack(experiments, [place for *_, place in task.members], callbacks)]
    except Exception as error:  # a traceback of another process tells the user nothing
        return [JobEnd({}, reason_of(error))] * len(task.members)


def end_of(result: JobResult | RunFailed) -> JobEnd:
    """In a form that can be sent."""
    if isinstance(result, RunFailed):
        return JobEnd({}, str(result), told=result.__cause__ is None)  # what diverged was told when it did
    return JobEnd(result.metrics)


def values(group: Sequence[Job], ends: Sequence[JobEnd], progress: Progress) -> dict[int, Any]:
    """Number -> the validation loss, or the exception that ended the job, which is told if it has not been yet."""
    progress.finished(group)
    for job, end in zip(group, ends, strict=True):
        if end.reason and not end.told:
            progress.say(failure(job, end.reason))
    pairs = zip(group, ends, strict=True)
    return {job.number: RunFailed(end.reason) if end.reason else end.metrics.get("val/loss") for job, end in pairs}
