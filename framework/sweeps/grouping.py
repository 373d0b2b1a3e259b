"""Groups jobs into stacks, and limits their width."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

from framework.core.errors import ConfigError, TierError
from framework.core.stacking import CannotStackError, stack
from framework.data.dataset import Data
from framework.sweeps.jobs import Job, error_list
from framework.training.memory import footprint, widest
from framework.training.trainer import check_tier

FILES = 400  # maximum runs of a stack: each keeps a file open, and many systems allow a thousand per process


def stacks(jobs: Sequence[Job], most: int | None = None) -> list[list[Job]]:
    """The jobs in stacks, ordered by their first members.

    Args:
        most: maximum replicas of a stack; None: as many as memory allows.
    """
    groups: list[list[Job]] = []
    for job in jobs:
        group = next((group for group in groups if fits(group[0], job)), None)
        if group is None:
            groups.append([job])
        else:
            group.append(job)
    return [part for group in groups for part in _narrow(group, most)]


def fits(one: Job, other: Job) -> bool:
    """Whether two jobs can share a stack: same machine settings, learners that differ in stackable options only, and data of
    the same form."""
    a, b = one.experiment, other.experiment
    if a.settings.study is not None or b.settings.study is not None:
        return False  # a study trains a separate stack
    machine = [
        (e.xp, e.settings.device, e.settings.dtype, e.settings.threads, e.settings.tier, e.settings.tree.get("callbacks"))
        for e in (a, b)
    ]
    if machine[0] != machine[1] or (a.data is not b.data and _form(a.data) != _form(b.data)):
        return False
    try:
        stack([replace(e.learner, initial={}) for e in (a, b)])
    except CannotStackError:
        return False
    return True


def check_tiers(jobs: Sequence[Job]) -> None:
    """Compile the step of every stack whose settings demand that, before a job starts.

    Raises:
        ConfigError: some cannot be compiled; the message names their jobs.
    """
    bad = []
    for group in stacks([job for job in jobs if job.experiment.settings.tier == "compiled"]):
        found = [job.experiment for job in group]
        if found[0].settings.study is not None:
            continue
        shared = all(each.data is found[0].data for each in found)
        data = [each.data for each in found[: 1 if shared else None]]
        try:
            check_tier([each.learner for each in found], data, **{k: v for k, v in found[0].how.items() if k != "tier"})
        except TierError as error:
            bad += [(job.number, job.overrides, str(error)) for job in group]
    if bad:
        raise ConfigError(error_list(sorted(bad), len(jobs)))


def _form(data: Data) -> tuple[object, ...]:
    """The form that all data sets of a stack share."""
    shapes = {split: {name: a.shape for name, a in fields.items()} for split, fields in data.splits.items()}
    return dict(data.fields), shapes


def _narrow(group: Sequence[Job], most: int | None) -> list[list[Job]]:
    """The group in parts of nearly equal width that fit into memory."""
    first = group[0].experiment
    own_data = any(job.experiment.data is not first.data for job in group)
    room = widest(footprint(first.learner, first.data, first.settings.dtype, own_data), first.xp)
    width = min(most or room, room, FILES)
    count = -(-len(group) // width)
    edges = [round(i * len(group) / count) for i in range(count + 1)]
    return [list(group[a:b]) for a, b in itertools.pairwise(edges)]
