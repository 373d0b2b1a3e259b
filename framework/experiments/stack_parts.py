"""Trains a stack; where an exception ends it, its parts, until each job that fails is alone.

An exception does not say which replica caused it. The jobs are therefore trained again in halves, and the halves that fail
in halves again. One bad job among R costs 2 log2 R further trainings, of R/2, R/4 ... jobs, and the good ones give the
numbers that they would have given in the whole stack. Where every job fails in the same way, a few of them alone end it.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import Any

from framework.core.callback import TrainingResult
from framework.core.errors import RunFailed
from framework.core.log import log
from framework.core.signals import deferred
from framework.experiments.failures import Failure
from framework.experiments.recording import JobResult, RecordingCallback

WIDEST = "hydra.launcher.max_stack"  # the option for the width of stacks


class StackParts:
    """Trains the members of a stack together, or those of its parts.

    Args:
        recorded: their records.
        train: trains some of them together.
        xp: the array module.
    """

    def __init__(self, recorded: RecordingCallback, train: Callable[[Sequence[int]], list[TrainingResult]], xp: Any) -> None:
        self.recorded, self.train, self.xp = recorded, train, xp
        self.results: dict[int, JobResult | RunFailed] = {}
        self.found: dict[int, Failure] = {}
        self.attempts = 0

    def run(self) -> list[JobResult | RunFailed]:
        """Train, and record the end of every run, whatever happens."""
        members = range(len(self.recorded.records))
        try:
            failure = self._attempt(members)
            if failure is not None:
                self._isolate(members, failure)
                if not self.found and not failure.is_of_memory:
                    log.info(f"none of the {len(members)} jobs failed when they were trained in parts")
        except KeyboardInterrupt as stop:
            with deferred():
                self.recorded.broken_off(stop)
            raise
        if self.found and self.results:
            again = sum(isinstance(result, JobResult) for result in self.results.values())
            for failed in (self.recorded.failed[member] for member in self.found):
                failed.args = (f"{failed}; the other {again} jobs of its stack were trained again",)
        return [self.results.get(member) or self.recorded.failed[member] for member in members]

    def _attempt(self, members: Sequence[int]) -> Failure | None:
        """Train members together and record their ends; returns the exception that ended it."""
        todo = self._left(members)
        try:
            if self.attempts:
                self.recorded.restart(todo)
            self.attempts += 1
            outcomes = self.train(todo) if todo else []
        except Exception as error:
            failure = Failure.of(error)
        else:
            with deferred():
                self.results |= zip(todo, self.recorded.closed(todo, outcomes), strict=True)
            return None
        if len(self.recorded.records) > 1:
            failure.release()
        if failure.is_of_memory:
            gc.collect()
            if hasattr(self.xp, "get_default_memory_pool"):
                self.xp.get_default_memory_pool().free_all_blocks()
        return failure

    def _isolate(self, members: Sequence[int], failure: Failure) -> None:
        """Find the members that made a training fail, and train the others."""
        left = self._left(members)
        if len(left) <= 1 or failure.is_of_all:
            self._fail(left, failure, "; a smaller stack would not help" if len(left) > 1 else "")
            return
        if self.attempts == 1:
            _announce(failure, len(left))
        halves = left[: len(left) // 2], left[len(left) // 2 :]
        failures = [self._attempt(half) for half in halves]
        if self._is_of_all(left, failure, failures):
            rest = self._left(left)
            self._fail(rest, failure, f"; so do {len(left)} jobs together, and {PROBED} of them alone")
            for member in left:  # one message, which is printed once
                self.recorded.failed[member].args = self.recorded.failed[rest[0]].args
            return
        for half, own in zip(halves, failures, strict=True):
            if own is not None and any(member in self.found for member in half):
                own = self._attempt(half)  # its other members may be good
            if own is not None:
                self._isolate(half, own)

    def _left(self, members: Sequence[int]) -> list[int]:
        """Those that have not ended; a diverged one has ended in the first training."""
        return [member for member in members if member not in self.results and member not in self.recorded.failed]

    def _is_of_all(self, members: Sequence[int], whole: Failure, halves: Sequence[Failure | None]) -> bool:
        """Whether all members fail in the same way: both halves do, and so do a few members alone."""
        same = all(half is not None and half.place == whole.place for half in halves)
        if not same or self.results or whole.is_of_memory or len(members) <= 2 * PROBED:
            return False
        for member in (members[0], members[1], members[len(members) // 2], members[-1]):
            own = self._attempt([member])
            if own is None:
                return False
            self._fail([member], own)
            if own.place != whole.place:
                return False
        return True

    def _fail(self, members: Sequence[int], failure: Failure, more: str = "") -> None:
        with deferred():
            self.recorded.fail(members, failure, more)
        self.found |= dict.fromkeys(members, failure)


PROBED = 4  # jobs that are tried alone before all are said to fail in the same way


def _announce(failure: Failure, jobs: int) -> None:
    """Say what happens next, which may take as long as the training did."""
    reason = failure.reason.splitlines()[0] if failure.reason else ""
    if failure.is_of_memory:
        log.info(
            f"a stack of {jobs} jobs does not fit into memory ({reason}); it is trained in halves "
            f"({WIDEST}={max(1, jobs // 2)} does so from the start)"
        )
    else:
        log.info(f"a stack of {jobs} jobs failed ({reason}); they are trained again in parts, to find which of them fail")
