"""The side of a writer that has the store: takes requests and answers them."""

from __future__ import annotations

import contextlib
import queue
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from framework.tracking.mlflow import MlflowRun, get_store, warn_of_store
from framework.tracking.mlflow_client import together
from framework.tracking.options import Tracking
from framework.tracking.points import Point

Request = tuple[int, str, Sequence[Any]]  # its number, its name, its arguments
TOGETHER, WAIT = 500, 0.2  # requests that are one transaction of a local store, and seconds in which they arrive
WITH_ANSWER = ("begin", "end", "call", "flush")
ALONE = ("call", "flush", "close")  # requests that are no part of a transaction, and are not waited for


def batch(requests: Any, most: int, timeout: float | None = None) -> list[Request]:
    """Up to `most` requests of a queue; only the last can be one of those that are alone.

    Args:
        timeout: seconds to wait for the first one.

    Raises:
        queue.Empty: none came.
    """
    found = [requests.get(timeout=timeout)]
    end = time.monotonic() + WAIT
    with contextlib.suppress(queue.Empty):
        while len(found) < most and found[-1][1] not in ALONE:
            found.append(requests.get(timeout=max(0.0, end - time.monotonic())))
    return found


class WriterServer:
    """The requests that a writer accepts.

    Args:
        before_commit: is called before a transaction is complete.
    """

    def __init__(self, before_commit: Callable[[], None] = lambda: None) -> None:
        self.runs: dict[int, MlflowRun] = {}
        self.complained, self.client, self.before_commit = False, None, before_commit

    def answers(self, requests: Sequence[Request]) -> dict[int, Any]:
        """Number -> answer of a batch of requests."""
        number, what, args = requests[-1]
        found = self.recorded(requests[:-1] if what in ALONE else requests)
        return found | {number: self.call(number, *args) if what == "call" else None} if what in ALONE else found

    def recorded(self, requests: Sequence[Request]) -> dict[int, Any]:
        """Number -> answer of requests, which are one transaction of a local store. If that fails, the store has nothing of
        it, and lacks these runs."""
        found: dict[int, Any] = {}
        if not requests:
            return found
        try:
            with together(self._client(requests)):
                for number, what, args in requests:
                    found[number] = self._answer(number, what, args)
                self.before_commit()
        except Exception as error:
            warn_of_store(error)
            for number, what, args in requests:
                self.runs.pop(number if what == "begin" else args[0], None)
            return {number: None for number, what, _ in requests if what in WITH_ANSWER}
        return {number: found[number] for number, what, _ in requests if what in WITH_ANSWER}

    def _client(self, requests: Sequence[Request]) -> Any:
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

    def points(self, number: int, run: int, parts: Sequence[Iterable[Point]], tags: Mapping[str, str]) -> None:
        """Add points and tags to a run."""
        if run in self.runs:
            self.runs[run].waiting.extend(chain.from_iterable(parts))
            self.runs[run].send(tags)

    def artifact(self, number: int, run: int, path: Path, folder: str | None) -> None:
        """Save a file with a run."""
        if run in self.runs:
            self.runs[run].artifact(path, folder)

    def end(self, number: int, run: int, parts: Sequence[Iterable[Point]], state: str, tags: Mapping[str, str]) -> bool:
        """End a run; returns whether the store has all of it."""
        if run not in self.runs:
            return False
        tracked = self.runs.pop(run)
        tracked.waiting.extend(chain.from_iterable(parts))
        tracked.end(state, tags)
        return not tracked.lost

    def call(self, number: int, function: Callable[..., Any], args: Sequence[Any]) -> Any:
        """The result of a function, or an error if it raised one."""
        try:
            return function(*args)
        except Exception as error:
            return RuntimeError(f"{type(error).__name__}: {error}")
