"""Trains a wide stack in slices of its replica axis: each fits the processor's cache, and several run on threads.

Replicas do not interact, so a slice is a separate stack, and no result depends on the slicing.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Any

import numpy as np

from framework.config.options import Tier
from framework.core.callback import Callback, Snapshot, TrainingResult
from framework.core.errors import TierError
from framework.core.random import Key
from framework.core.signals import StopRequest
from framework.core.threads import blas_limited, blas_threads
from framework.data.dataset import Data
from framework.training.device import chosen_device
from framework.training.learner import Learner
from framework.training.memory import footprint
from framework.training.pruning import Meeting, Rungs, SliceRungs, rungs_of
from framework.training.trainer import fall_back, takes_compiled, train

CACHE = 8 << 20  # bytes that a step of one slice may use; measured: the time per step is flat around it
NARROWEST = 8  # replicas: in narrower slices the overhead of NumPy calls shows again
# Bytes of a step for each thread, also of networks over time. Measured: with less, the threads mainly wait for each other's
# Python, and small networks take up to twice as long as on one thread.
LEAST, LEAST_IN_TIME = 6 << 20, 2 << 20

OWN = {"latest", "at_best", "left"}  # plain values of a snapshot that each member has for itself
SaveMember = Callable[[int, Mapping[str, np.ndarray], Mapping[str, Any]], None]


class Stopped(Exception):  # noqa: N818
    """Another slice has failed, or the user stops the training."""


def train_sliced(
    learners: Sequence[Learner],
    data: Sequence[Data],
    keys: Sequence[Key],
    *,
    xp: Any = np,
    dtype: Any = np.float32,
    threads: int | None = None,
    tier: Tier = "auto",
    callbacks: Sequence[Callback] = (),
    save: SaveMember | None = None,
    save_end: SaveMember | None = None,
    replicas: int | None = None,
    rungs: Rungs | None = None,
    resume: Sequence[Snapshot] = (),
    halt: StopRequest | None = None,
    choose_device: bool = False,
) -> list[TrainingResult]:
    """Train a stack in slices; see `train`.

    Args:
        threads: the maximum of slices that run at once; None: as many as BLAS uses.
        callbacks: are called from several threads, for different members.
        save, save_end: receive a member and its snapshot.
        replicas: of the stack of which these are a part, and whose tier and device they have.
        resume: the snapshots of all members, of the same step; none: from their start.
        halt: ends the slices that train, and starts no further one: their members then have no outcome.
    """
    first, width_of_whole = resume[0] if resume else None, replicas or len(learners)
    xp = chosen_device(xp, learners, data, width_of_whole, threads, first) if choose_device else xp
    if takes_compiled(tier, learners, data, first, replicas, xp):  # without slices: each trains alone, in its core's cache
        how: dict[str, Any] = {"xp": xp, "dtype": dtype, "threads": threads, "tier": "compiled", "stop": halt}
        how |= {"rungs": rungs, "resume": merged(resume) if resume else None, **_savers(save, save_end, 0)}
        try:
            return train(learners, data, keys, **how, callbacks=callbacks)
        except TierError as error:
            if tier == "compiled":
                raise
            fall_back(error)
    at_once = busy_threads(learners, data, dtype, threads or blas_threads()) if xp is np else 1
    cut = slices(len(learners), width(learners[0], data, dtype) if xp is np else len(learners), at_once)
    stop = threading.Event()
    rungs = rungs_of(learners[0]) if len(cut) > 1 and rungs is None else rungs
    meeting = Meeting(len(cut), at_once, stop, Stopped, halt)

    def part(members: slice) -> list[TrainingResult]:
        own = data if len(data) == 1 else data[members]
        watch = [MemberCallback(callback, range(members.start, members.stop), stop) for callback in callbacks]
        how: dict[str, Any] = {"xp": xp, "dtype": dtype, "threads": 1 if len(cut) > 1 else threads, "stop": halt}
        how |= {"resume": merged(resume[members]) if resume else None, **_savers(save, save_end, members.start)}
        how["rungs"] = SliceRungs(rungs, members.start, meeting) if rungs and len(cut) > 1 else rungs
        how["tier"] = "array" if tier == "auto" else tier
        with meeting.turns:
            found = _unless_halted(stop, learners[members], own, keys[members], **how, callbacks=watch)
        return [replace(outcome, member=members.start + outcome.member) for outcome in found]

    if len(cut) == 1 or (at_once == 1 and rungs is None):
        return [outcome for members in cut for outcome in part(members)]
    with blas_limited(1):  # at a rung every slice waits for the others, so that each has a thread
        return _on_threads(part, cut, len(cut) if rungs else at_once, stop)


def _unless_halted(ended: threading.Event, *stack: Any, stop: StopRequest | None, **how: Any) -> list[TrainingResult]:
    """Train a slice. Where a signal has come before it starts, or while it waits at a rung, it has no outcome."""
    if stop is not None and stop.name:
        return []
    try:
        return train(*stack, stop=stop, **how)
    except Stopped:
        if ended.is_set():
            raise
        return []


def _on_threads(
    part: Callable[[slice], list[TrainingResult]], cut: Sequence[slice], threads: int, stop: threading.Event
) -> list[TrainingResult]:
    """The results of all slices; the error of one ends the others."""
    with ThreadPoolExecutor(threads) as pool:
        running = [pool.submit(part, members) for members in cut]
        try:
            ended, _ = wait(running, return_when=FIRST_EXCEPTION)
            for found in ended:
                found.result()  # the error, before the others have ended
            return [outcome for found in running for outcome in found.result()]
        except BaseException:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def busy_threads(learners: Sequence[Learner], data: Sequence[Data], dtype: Any, threads: int) -> int:
    """How many threads have enough to do in a step of a stack."""
    least = LEAST_IN_TIME if any(field.time_major for field in data[0].fields.values()) else LEAST
    return min(threads, max(1, len(learners) * footprint(learners[0], data[0], dtype).step // least))


def width(learner: Learner, data: Sequence[Data], dtype: Any) -> int:
    """The number of replicas in a slice."""
    return max(NARROWEST, CACHE // footprint(learner, data[0], dtype).step)


def slices(members: int, widest: int, at_once: int) -> list[slice]:
    """Contiguous slices of nearly equal width, at most `widest`; enough of them for `at_once` threads, if they stay wide
    enough to be faster."""
    count = -(-members // widest)
    if at_once > 1 and members >= at_once * NARROWEST:
        count = -(-max(count, at_once) // at_once) * at_once
    edges = [round(i * members / count) for i in range(count + 1)]
    return [slice(a, b) for a, b in itertools.pairwise(edges)]


class MemberCallback(Callback):
    """Passes calls of a part of a stack to the callback of the whole; raises Stopped where training is to end.

    Args:
        members: of the whole, in the order of the part.
        stop: set where training is to end.
    """

    def __init__(self, callback: Callback, members: Sequence[int], stop: threading.Event | None = None) -> None:
        self.callback, self.members, self.stop = callback, members, stop

    def on_steps(self, member: int, first: int, columns: Sequence[str], rows: np.ndarray) -> None:
        """Pass it on, unless training is to end."""
        if self.stop is not None and self.stop.is_set():
            raise Stopped
        self.callback.on_steps(self.members[member], first, columns, rows)

    def on_probe(self, member: int, steps: np.ndarray, columns: Sequence[str], rows: np.ndarray) -> None:
        """Pass it on."""
        self.callback.on_probe(self.members[member], steps, columns, rows)

    def on_probe_row(self, member: int, step: int, metric: str, row: np.ndarray) -> None:
        """Pass it on."""
        self.callback.on_probe_row(self.members[member], step, metric, row)

    def on_metrics(self, member: int, step: int, values: Mapping[str, float]) -> None:
        """Pass it on."""
        self.callback.on_metrics(self.members[member], step, values)

    def on_end(self, outcome: TrainingResult) -> None:
        """Pass it on."""
        self.callback.on_end(replace(outcome, member=self.members[outcome.member]))


def _savers(save: SaveMember | None, save_end: SaveMember | None, first: int) -> dict[str, Any]:
    """The functions that receive the snapshots of a slice."""
    return {name: _saver(own, first) for name, own in (("save", save), ("save_end", save_end)) if own is not None}


def _saver(save: SaveMember, first: int) -> Callable[[Mapping[str, np.ndarray], Mapping[str, Any]], None]:
    """A function that splits the snapshot of a slice into one per member, equal to that of a separate training."""

    def save_members(arrays: Mapping[str, np.ndarray], plain: Mapping[str, Any]) -> None:
        for r, member in enumerate(arrays["members"].tolist()):
            alone = {name: a[r : r + 1] if len(a) > 1 else a for name, a in arrays.items() if not name.startswith("ended.")}
            alone["members"] = np.zeros(1, int)
            own = {key: {0: plain[key][member]} for key in ("latest", "at_best")}
            own |= {"left": {0: plain["left"][member]}} if "left" in plain else {}
            state = {**plain, **own, "ended": {}}
            save(first + member, alone, state)

    return save_members


def merged(snapshots: Sequence[Snapshot]) -> Snapshot:
    """The snapshot of a stack from those of its members."""
    arrays = {name: np.concatenate([own[name] for own, _ in snapshots]) for name in snapshots[0][0]}
    arrays["members"] = np.arange(len(snapshots))
    plain = dict(snapshots[0][1])
    for key in plain.keys() & OWN:
        plain[key] = {i: _only(own[key]) for i, (_, own) in enumerate(snapshots)}
    return arrays, plain


def _only(values: Mapping[Any, Any]) -> Any:
    """The value of the one member of a separate training."""
    return next(iter(values.values()), {})
