"""Writes to MLflow beside the training, for many runs at once.

MLflow's client takes 50 ms of Python for a run, and two seconds to import. In separate processes, both delay a sweep
little. A local store needs neither (see `sqlite_client`), so that a thread suffices. The run folders do not depend on them:
if such a process dies, the data are sent later.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import multiprocessing
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from framework.core.log import quiet_others, show
from framework.core.pipes import ignore_broken_pipe
from framework.core.process import without_main
from framework.core.signals import ignore
from framework.tracking.mlflow import BATCH, PATIENCE, MlflowRun, get_store, warn_of_store
from framework.tracking.mlflow_client import together
from framework.tracking.options import Tracking

Point = tuple[str, float, int, int]
WRITERS = 16  # threads that record the ends of runs
TOGETHER = 500  # requests that are one transaction of a local store
HEARTBEAT = 1.0  # seconds between checks whether the other process is alive


class WriterProcess:
    """The training's side of one writer process."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.requests, self.replies = context.Queue(), context.SimpleQueue()  # Queue.put never blocks
        self.requests.cancel_join_thread()  # otherwise our exit would wait for requests that a killed process did not read
        self.process = context.Process(target=serve, args=(self.requests, self.replies), daemon=True)
        with without_main():
            self.process.start()
        atexit.register(self.process.kill)  # if it was not closed; the interpreter would wait for it
        self.numbers, self.asked, self.known = itertools.count(1), False, dict[int, Any]({0: None})
        self.last, self.hearing = 0, threading.Lock()  # the number of the last request with a reply

    def ask(self, what: str, *args: Any) -> int:
        """Send a request to the process; returns the number of its reply."""
        number, self.asked = next(self.numbers), True  # an iterator, since several threads send requests
        self.requests.put((number, what, args))
        if what in WITH_ANSWER:
            self.last = number
        return number

    def answer(self, number: int) -> Any:
        """Wait for a reply; None if the process was killed."""
        while number not in self.known:
            with self.hearing:  # one of several threads receives for all
                if number in self.known:
                    break
                if not self.replies.empty():
                    key, value = self.replies.get()
                    self.known[key] = value
                    continue
            if not self.process.is_alive() and self.replies.empty():
                return self.known.get(number)
            time.sleep(0.001)
        return self.known[number]

    def close(self) -> None:
        """Let it finish its requests, and end it."""
        if self.asked:
            self.ask("close")
        else:
            self.process.kill()  # it ignores stop signals
        self.process.join()


class WriterThread:
    """The training's side of a writer in its own process."""

    def __init__(self) -> None:
        self.requests = queue.SimpleQueue[tuple[int, str, Sequence[Any]]]()
        self.numbers, self.last = itertools.count(1), 0
        self.known, self.arrived = dict[int, Any]({0: None}), threading.Condition()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        desk, what = WriterServer(), ""
        while what != "close":
            requests = [self.requests.get()]
            with contextlib.suppress(queue.Empty):
                while len(requests) < TOGETHER and requests[-1][1] not in ALONE:
                    requests.append(self.requests.get_nowait())
            what = requests[-1][1]
            alone = [requests.pop()] if what in ALONE else []
            answers = desk.recorded(requests)
            for number, _, args in alone if what == "call" else ():
                answers[number] = desk.call(number, *args)
            with self.arrived:
                self.known |= answers
                self.arrived.notify_all()

    def ask(self, what: str, *args: Any) -> int:
        """Send a request; returns the number of its reply."""
        number = next(self.numbers)
        self.requests.put((number, what, args))
        if what in WITH_ANSWER:
            self.last = number
        return number

    def answer(self, number: int) -> Any:
        """Wait for a reply."""
        with self.arrived:
            self.arrived.wait_for(lambda: number in self.known)
        return self.known[number]

    def close(self) -> None:
        """Let it finish its requests, and end it."""
        self.ask("close")
        self.thread.join()


class MlflowWriterPool:
    """Writes to MLflow, beside the training.

    Args:
        lanes: number of writers; the runs are distributed over them.
        local: whether the store is the local one, which a thread writes; otherwise processes.
    """

    def __init__(self, lanes: int = 1, local: bool = False) -> None:
        self.lanes: Sequence[WriterProcess | WriterThread] = [
            WriterThread() if local else WriterProcess() for _ in range(lanes)
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
        """Call a function where the store is written.

        Raises:
            RuntimeError: it raised something.
        """
        lane = self.lanes[0]
        found = lane.answer(lane.ask("call", function, args))
        if isinstance(found, RuntimeError):
            raise found
        return found

    def settle(self) -> None:
        """Wait until the store has everything, and record this for all runs."""
        for lane in self.lanes:
            lane.answer(lane.last)
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
    with ThreadPoolExecutor(WRITERS) as pool:  # many small files are written as fast as one
        list(pool.map(lambda settle: settle(), settlements))


class RemoteMlflowRun:
    """A run of the store, as `MlflowRun`, in a writer."""

    known: frozenset[tuple[str, int]] = frozenset()

    def __init__(self, lane: WriterProcess | WriterThread, number: int) -> None:
        self.lane, self.number = lane, number
        self.patience, self.sent = PATIENCE, time.monotonic()
        self.waiting: list[Point] = []
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
        found = self.lane.known.get(self.number)
        return None if found is None else str(found)

    @property
    def is_answered(self) -> bool:
        """Whether it is known if the end of the run is in the store."""
        return self.ending is None or self.ending in self.lane.known

    @property
    def lost(self) -> bool:
        """Whether some data did not reach the store."""
        return self.ending is not None and not self.lane.answer(self.ending)

    def points(self, points: Sequence[Point]) -> None:
        """Add points; they are sent once there are enough, or after a time limit."""
        self.waiting.extend(points)
        if len(self.waiting) >= BATCH or time.monotonic() - self.sent > self.patience:
            self.send()

    def send(self, tags: Mapping[str, str] | None = None) -> None:
        """Send all waiting points."""
        self.before_sending()
        waiting, self.waiting = self.waiting, []
        self.sent = time.monotonic()
        self.lane.ask("points", self.number, waiting, dict(tags or {}))

    def artifact(self, path: Path, folder: str | None = None) -> None:
        """Save a file with the run."""
        self.lane.ask("artifact", self.number, path, folder)

    def tag(self, key: str, value: str) -> None:
        """Set a tag."""
        self.send({key: value})

    def end(self, state: str, tags: Mapping[str, str] | None = None) -> None:
        """Send waiting points and tags, and end the run; `lost` waits for the result."""
        self.before_sending()
        waiting, self.waiting = self.waiting, []
        self.ending = self.lane.ask("end", self.number, waiting, state, dict(tags or {}))


class WriterServer:
    """The requests that a writer accepts."""

    def __init__(self) -> None:
        self.runs: dict[int, MlflowRun] = {}
        self.complained, self.client = False, None

    def recorded(self, requests: Sequence[tuple[int, str, Sequence[Any]]]) -> dict[int, Any]:
        """Number -> answer of requests, which are one transaction of a local store. If that fails, the store has nothing of
        it, and lacks these runs."""
        found: dict[int, Any] = {}
        try:
            with together(self._client(requests)):
                for number, what, args in requests:
                    found[number] = self._answer(number, what, args)
        except Exception as error:
            warn_of_store(error)
            for number, what, args in requests:
                self.runs.pop(number if what == "begin" else args[0], None)
            return {number: None for number, what, _ in requests if what in WITH_ANSWER}
        return {number: found[number] for number, what, _ in requests if what in WITH_ANSWER}

    def _client(self, requests: Sequence[tuple[int, str, Sequence[Any]]]) -> Any:
        """The client of the store; None before it is open."""
        for tracking, runs in [args[:2] for _, what, args in requests if what == "begin"][:1]:
            with contextlib.suppress(Exception):  # each run that cannot begin reports it
                self.client = get_store(tracking, runs).client
        return self.client

    def _answer(self, number: int, what: str, args: Sequence[Any]) -> Any:
        try:
            return getattr(self, what)(number, *args)
        except Exception as error:  # an error of the store must not stop the training
            warn_of_store(error)
            return None

    def begin(self, number: int, tracking: Tracking, runs: Path, name: str, params: Any, tags: Any) -> str | None:
        """The id of a new run, or None."""
        try:
            self.runs[number] = get_store(tracking, runs).begin(name, params, tags)
        except Exception as error:  # an error of the store must not stop the training
            if not self.complained:
                warn_of_store(error)
            self.complained = True
            return None
        return self.runs[number].run_id

    def points(self, number: int, run: int, points: Sequence[Point], tags: Mapping[str, str]) -> None:
        """Add points and tags to a run."""
        if run in self.runs:
            self.runs[run].waiting.extend(points)
            self.runs[run].send(tags)

    def artifact(self, number: int, run: int, path: Path, folder: str | None) -> None:
        """Save a file with a run."""
        if run in self.runs:
            self.runs[run].artifact(path, folder)

    def end(self, number: int, run: int, points: Sequence[Point], state: str, tags: Mapping[str, str]) -> bool:
        """End a run; returns whether the store has all of it."""
        if run not in self.runs:
            return False
        tracked = self.runs.pop(run)
        tracked.waiting.extend(points)
        tracked.end(state, tags)
        return not tracked.lost

    def call(self, number: int, function: Callable[..., Any], args: Sequence[Any]) -> Any:
        """The result of a function, or an error if it raised one."""
        try:
            return function(*args)
        except Exception as error:
            return RuntimeError(f"{type(error).__name__}: {error}")


WITH_ANSWER = ("begin", "end", "call")
ALONE = ("call", "close")  # requests that are no part of a transaction


def serve(requests: Any, replies: Any) -> None:
    """The main loop of a writer process, until it is closed or the training process has ended. Stop signals are for the
    training process, which then decides how its runs end."""
    ignore()
    show()
    quiet_others()
    desk, parent = WriterServer(), multiprocessing.parent_process()
    with contextlib.suppress(Exception):
        import mlflow.store.tracking.sqlalchemy_store  # noqa: F401  # while the sweep is still composed
    with ignore_broken_pipe():
        while parent is None or parent.is_alive():
            try:
                number, what, args = requests.get(timeout=HEARTBEAT)
            except queue.Empty:
                continue
            if what == "close":
                sys.stderr.flush()
                os._exit(0)  # everything is in the store; a normal exit of the interpreter takes another second
            answer = getattr(desk, what)(number, *args)
            if what in WITH_ANSWER:
                replies.put((number, answer))
