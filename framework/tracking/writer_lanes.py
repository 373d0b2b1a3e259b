"""The side of a writer that trains: sends requests to a process or a thread, and receives the answers.

MLflow's client takes 50 ms of Python for a run, and two seconds to import: it has a new process. A local store needs no
MLflow (see `sqlite_client`): a copy of this process writes it, or a thread where a copy is not safe.
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
from multiprocessing.connection import Connection
from typing import Any

from framework.core.log import quiet_others, show
from framework.core.pipes import ignore_broken_pipe
from framework.core.process import without_main
from framework.core.signals import held_back, ignore
from framework.tracking.writer_server import TOGETHER, WITH_ANSWER, Request, WriterServer, batch

HEARTBEAT = 1.0  # seconds between checks whether the other process is alive


class Writer:
    """What both kinds of writers do.

    Attributes:
        known: number of a request -> its answer.
        last: the number of the last request with an answer; 0: there was none.
    """

    requests: Any  # a queue

    def __init__(self) -> None:
        self.numbers, self.last, self.known = itertools.count(1), 0, dict[int, Any]({0: None})

    def ask(self, what: str, *args: Any) -> int:
        """Send a request; returns the number of its answer."""
        number = next(self.numbers)  # an iterator, since several threads send requests
        self.requests.put((number, what, args))
        if what in WITH_ANSWER:
            self.last = number
        return number

    def answer(self, number: int) -> Any:
        """Wait for an answer."""
        raise NotImplementedError

    def settle(self) -> None:
        """Wait until all requests so far are done."""
        if self.last:
            self.answer(self.ask("flush"))


class WriterProcess(Writer):
    """A writer in another process.

    Args:
        local: whether the store is the local one: then the process is a copy of this one, without the time to import.
    """

    def __init__(self, local: bool = False) -> None:
        super().__init__()
        context = multiprocessing.get_context("fork" if local else "spawn")
        self.requests = context.Queue()  # its `put` never blocks
        self.requests.cancel_join_thread()  # otherwise our exit would wait for requests that a killed process did not read
        self.replies, sends = context.Pipe(duplex=False)
        self.process: Any = context.Process(target=serve, args=(self.requests, sends, local), daemon=True)  # type: ignore[attr-defined]
        with without_main(), held_back():  # a signal between its start and `serve` would print a traceback
            self.process.start()
        sends.close()  # so that its end is noticed here
        atexit.register(self.process.kill)  # if it was not closed; the interpreter would wait for it
        self.receiving, self.gone = threading.Lock(), False

    def answer(self, number: int) -> Any:
        """Wait for a reply; None if the process was killed."""
        while number not in self.known and not self.gone:
            self._receive(number, HEARTBEAT)
        return self.known.get(number)

    def received(self) -> dict[int, Any]:
        """The answers so far, without waiting."""
        self._receive(None, 0)
        return self.known

    def _receive(self, number: int | None, wait: float) -> None:
        with self.receiving, contextlib.suppress(EOFError, OSError):  # one of several threads receives for all
            while number not in self.known and not self.gone and self.replies.poll(wait):
                self.gone = True  # unless there is an answer
                self.known |= self.replies.recv()
                self.gone = False

    def close(self) -> None:
        """Let it finish its requests, and end it."""
        if self.last:
            self.ask("close")
        else:
            self.process.kill()  # it ignores stop signals
        self.process.join()


class WriterThread(Writer):
    """A writer in a thread of this process."""

    def __init__(self) -> None:
        super().__init__()
        self.requests, self.arrived = queue.SimpleQueue[Request](), threading.Condition()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        desk, what = WriterServer(), ""
        while what != "close":
            requests = batch(self.requests, TOGETHER)
            what, answers = requests[-1][1], desk.answers(requests)
            with self.arrived:
                self.known |= answers
                self.arrived.notify_all()

    def answer(self, number: int) -> Any:
        """Wait for a reply."""
        with self.arrived:
            self.arrived.wait_for(lambda: number in self.known)
        return self.known[number]

    def received(self) -> dict[int, Any]:
        """The answers so far, without waiting."""
        return self.known

    def close(self) -> None:
        """Let it finish its requests, and end it."""
        self.ask("close")
        self.thread.join()


def serve(requests: Any, replies: Connection, local: bool) -> None:
    """The main loop of a writer process, until it is closed or the training process has ended. Stop signals are for the
    training process, which then decides how its runs end."""
    ignore()
    show()
    quiet_others()
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end_without_parent() -> None:
        if not parent.is_alive():  # its successor may have begun to send the same runs
            os._exit(1)

    desk = WriterServer(end_without_parent)
    if not local:
        with contextlib.suppress(Exception):
            import mlflow.store.tracking.sqlalchemy_store  # noqa: F401  # while the sweep is still composed
    with ignore_broken_pipe():
        while parent.is_alive():
            try:
                taken = batch(requests, TOGETHER if local else 1, HEARTBEAT)
            except queue.Empty:
                continue
            if answers := desk.answers(taken):
                replies.send(answers)
            if taken[-1][1] == "close":
                sys.stderr.flush()
                os._exit(0)  # everything is in the store; a normal exit of the interpreter takes another second
