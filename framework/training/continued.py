"""A stack that goes on from the checkpoints of its members, each of which is that of a separate training.

Members whose checkpoints are of the same step train together, as they did before; the others form further stacks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from framework.core.callback import Callback, Snapshot, TrainingResult
from framework.core.random import Key
from framework.core.signals import StopRequest
from framework.data.dataset import Data
from framework.training.learner import Learner
from framework.training.parallel import OWN, MemberCallback, SaveMember, train_sliced
from framework.training.pruning import Rungs


def train_on(
    learners: Sequence[Learner],
    data: Sequence[Data],
    keys: Sequence[Key],
    snapshots: Sequence[Snapshot | None],
    *,
    callbacks: Sequence[Callback] = (),
    save: SaveMember | None = None,
    save_end: SaveMember | None = None,
    stop: StopRequest | None = None,
    replicas: int | None = None,
    rungs: Callable[[Sequence[int]], Rungs | None] = lambda _: None,
    **how: Any,
) -> list[TrainingResult]:
    """Train a stack; see `train_sliced`.

    Args:
        snapshots: the state of each member to continue from; None: from its start.
        stop: ends the training, with a checkpoint of every member, when a signal comes.
        replicas: see `train_sliced`.
        rungs: of some of the members, for `train`.

    Raises:
        SignalInterrupt: a signal came before all members had ended.
    """
    found: dict[int, TrainingResult] = {}
    for members in alike(snapshots):
        if stop is not None and stop.name:
            break
        parts = [own for i in members if (own := snapshots[i]) is not None]
        outcomes = train_sliced(
            [learners[i] for i in members],
            data if len(data) == 1 else [data[i] for i in members],
            [keys[i] for i in members],
            **how,
            callbacks=callbacks if len(members) == len(learners) else [MemberCallback(each, members) for each in callbacks],
            save=None if save is None else _of_members(save, members),
            save_end=None if save_end is None else _of_members(save_end, members),
            resume=parts,
            halt=stop,
            replicas=replicas or len(learners),
            rungs=rungs(members),
        )
        found |= {members[outcome.member]: outcome for outcome in outcomes}
    if stop is not None and stop.name and (len(found) < len(learners) or any(o.status == "killed" for o in found.values())):
        stop.pass_on()
    for member, outcome in found.items():
        outcome.member = member
    return [found[member] for member in range(len(learners))]


def alike(snapshots: Sequence[Snapshot | None]) -> list[list[int]]:
    """The members in groups with the same step, epoch and tier, in the order of their first members."""
    groups: dict[str, list[int]] = {}
    for i, snapshot in enumerate(snapshots):
        groups.setdefault("" if snapshot is None else _of_stack(snapshot), []).append(i)
    return list(groups.values())


def _of_stack(snapshot: Snapshot) -> str:
    """What the members of a stack have in common: the place in the training, and which arrays there are."""
    arrays, plain = snapshot
    shared = {key: value for key, value in plain.items() if key not in {*OWN, "ended"}}
    return json.dumps(
        [shared, "left" in plain, sorted((name, a.shape[1:], a.dtype.str) for name, a in arrays.items())], sort_keys=True
    )


def _of_members(save: SaveMember, members: Sequence[int]) -> SaveMember:
    def save_member(member: int, arrays: Mapping[str, np.ndarray], plain: Mapping[str, Any]) -> None:
        save(members[member], arrays, plain)

    return save_member
