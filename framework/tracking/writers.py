"""Writes to MLflow beside the training, for many runs at once.

The run folders do not depend on it: if a writer dies, the data are sent later.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from framework.core.writing import lasting_together
from framework.tracking.mlflow import BATCH, PATIENCE
from framework.tracking.options import Tracking
from framework.tracking.points import Point, PointTable
from framework.tracking.writer_lanes import WriterProcess, WriterThread


class MlflowWriterPool:
    """Writes to MLflow, beside the training.

    Args:
        lanes: number of writers; the runs are distributed over them.
        local: whether the store is the local one.
        forks: whether a fork of this process is safe. Otherwise, a thread writes the local store.

    Attributes:
        beside: whether it uses another core, and no state of this process.
        quick: whether it also writes a run in 2 ms.
    """

    def __init__(self, lanes: int = 1, local: bool = False, forks: bool = False) -> None:
        self.beside, self.quick = forks or not local, forks
        self.lanes: Sequence[WriterProcess | WriterThread] = [
            WriterProcess(local) if self.beside else WriterThread() for _ in range(lanes)
        ]
        self.started = 0
        self.settlements: list[tuple[Callable[[], None], RemoteMlflowRun | None]] = []

    def begin(
        self, tracking: Tracking, runs: Path, name: str, params: Mapping[str, Any], tags: Mapping[str, str]
    ) -> RemoteMlflowRun:
        """Start a new run in the store."""
        lane = self.lanes[self.started % len(self.lanes)]
        self.started += 1
        return RemoteMlflowRun(lane, lane.ask("begin", tracking, runs, name, dict(params), dict(tags)))

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function where the store is written; here, if that process was killed.

        Raises:
            RuntimeError: it raised something.
        """
        lane = self.lanes[0]
        found = lane.answer(number := lane.ask("call", function, args))
        if number not in lane.received():
            return function(*args)
        if isinstance(found, RuntimeError):
            raise found
        return found

    def submit(self, function: Callable[..., Any], *args: Any) -> None:
        """Call a function there, without waiting for it; its result and its errors are not known here."""
        self.lanes[0].ask("call", function, args)

    def settle(self) -> None:
        """Wait until the store has everything, and record this for all runs."""
        for lane in self.lanes:
            lane.settle()
        waiting, self.settlements = self.settlements, []
        _settle_all([settle for settle, _ in waiting])

    def settle_known(self) -> None:
        """Record this for the runs whose end the store is known to have: a long sweep does not keep all its runs until it
        ends."""
        answered = [run is None or run.is_answered for _, run in self.settlements]
        ready = [settle for (settle, _), is_known in zip(self.settlements, answered, strict=True) if is_known]
        self.settlements = [each for each, is_known in zip(self.settlements, answered, strict=True) if not is_known]
        _settle_all(ready)

    def close(self) -> None:
        """Let the writers finish their requests, and end them."""
        try:
            self.settle()
        finally:
            for lane in self.lanes:
                lane.close()


def _settle_all(settlements: Sequence[Callable[[], None]]) -> None:
    with lasting_together():
        for settle in settlements:
            settle()


class RemoteMlflowRun:
    """A run of the store, as `MlflowRun`, in a writer."""

    known: frozenset[tuple[str, int]] = frozenset()

    def __init__(self, lane: WriterProcess | WriterThread, number: int) -> None:
        self.lane, self.number = lane, number
        self.patience, self.sent = PATIENCE, time.monotonic()
        self.waiting, self.count = list[Sequence[Point] | PointTable](), 0
        self.ending: int | None = None
        self.before_sending: Callable[[], None] = lambda: None

    @property
    def run_id(self) -> str | None:
        """The run's id, once it has started in the store; None if it could not start."""
        found = self.lane.answer(self.number)
        return None if found is None else str(found)

    @property
    def known_id(self) -> str | None:
        """As `run_id`, without waiting for it: None as long as it is not known."""
        found = self.lane.received().get(self.number)
        return None if found is None else str(found)

    @property
    def is_answered(self) -> bool:
        """Whether it is known if the end of the run is in the store."""
        return self.ending is None or self.ending in self.lane.received()

    @property
    def lost(self) -> bool:
        """Whether some data did not reach the store."""
        return self.ending is not None and not self.lane.answer(self.ending)

    def points(self, points: Sequence[Point] | PointTable) -> None:
        """Add points; they are sent once there are enough, or after a time limit."""
        if points:
            self.waiting.append(points)
            self.count += len(points)
        if self.count >= BATCH or time.monotonic() - self.sent > self.patience:
            self.send()

    def send(self, tags: Mapping[str, str] | None = None) -> None:
        """Send all waiting points."""
        self.lane.ask("points", self.number, self._waiting(), dict(tags or {}))
        self.sent = time.monotonic()

    def artifact(self, path: Path, folder: str | None = None) -> None:
        """Save a file with the run."""
        self.lane.ask("artifact", self.number, path, folder)

    def tag(self, key: str, value: str) -> None:
        """Set a tag."""
        self.send({key: value})

    def end(self, state: str, tags: Mapping[str, str] | None = None) -> None:
        """Send waiting points and tags, and end the run; `lost` waits for the result."""
        self.ending = self.lane.ask("end", self.number, self._waiting(), state, dict(tags or {}))

    def _waiting(self) -> list[Sequence[Point] | PointTable]:
        """What is sent now."""
        self.before_sending()
        waiting, self.waiting, self.count = self.waiting, [], 0
        return waiting
