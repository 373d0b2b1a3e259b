"""Signals that stop a process: raised as exceptions, and deferred while the end of a run is recorded."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

STOPS = ("SIGTERM", "SIGHUP")  # as Ctrl-C; the second one when the terminal or the connection is closed
OF_CLUSTERS = (*STOPS, "SIGUSR1", "SIGUSR2")  # the last two are sent by SLURM shortly before the time limit
ALL = ("SIGINT", *OF_CLUSTERS)
TOGETHER = 1.0  # seconds in which further signals count as one: a terminal, a launcher and a scheduler may each send one


CTRL_C = "Ctrl-C"  # the name of SIGINT in messages
FIRST = "\nstackprop: {} stops the training and saves it; a second one ends it at once\n"


class SignalInterrupt(KeyboardInterrupt):
    """A stop signal, by its name."""

    @property
    def status(self) -> int:
        """The exit status that names the signal."""
        return 128 + signal.Signals["SIGINT" if str(self) == CTRL_C else str(self)]


class StoppedRun(SignalInterrupt):
    """A stop signal ended a run early, which is recorded.

    Attributes:
        result: of the run.
    """

    def __init__(self, name: str, result: Any) -> None:
        super().__init__(name)
        self.result = result


class StopRequest:
    """In this block the first stop signal is noted, so that a training can save what it has; a second one is raised.

    Args:
        names: of the signals.
        shared: one request for all parts of a stack; who creates it enters the block, and raises the signal at the end.
    """

    def __init__(self, names: Sequence[str] = ("SIGINT", *STOPS), shared: bool = False) -> None:
        self.names, self.shared = names, shared
        self.name, self.number = "", 0  # of the signal; empty: none came
        self.came = -math.inf
        self.before: dict[int, Any] = {}

    def __enter__(self) -> StopRequest:
        self.before = {number: handler for number in _numbers(self.names) if callable(handler := signal.getsignal(number))}
        for number in self.before:
            signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: Any) -> None:
        if not self.name:
            self.came, self.number = time.monotonic(), number
            self.name = CTRL_C if number == signal.SIGINT else signal.Signals(number).name
            with contextlib.suppress(OSError):
                os.write(2, FIRST.format(self.name).encode())  # `print` may be at work when a signal comes
        elif time.monotonic() - self.came > TOGETHER:
            self.before[number](number, frame)

    def pass_on(self) -> None:
        """Raise the noted signal after all."""
        self.before[self.number](self.number, None)


@contextlib.contextmanager
def raise_on_signals(names: Sequence[str] = STOPS, for_good: bool = False) -> Iterator[None]:
    """Raise an exception on a stop signal in this block; a run in it then ends as killed. An ignored signal stays ignored,
    as `nohup` ignores SIGHUP.

    Args:
        for_good: the process ends with the block; signals ignored since then stay ignored.
    """

    came = -math.inf

    def stop(number: int, _: Any) -> None:
        nonlocal came
        if time.monotonic() - came > TOGETHER:
            came = time.monotonic()
            raise SignalInterrupt(signal.Signals(number).name)

    before = {number: signal.getsignal(number) for number in _numbers(("SIGINT", *names))}
    try:
        for number in _numbers(names):
            if before[number] is not signal.SIG_IGN:
                signal.signal(number, stop)
        yield
    finally:
        for number, handler in before.items():
            if not (for_good and signal.getsignal(number) is signal.SIG_IGN):
                signal.signal(number, handler or signal.SIG_DFL)


@contextlib.contextmanager
def deferred() -> Iterator[None]:
    """Defer stop signals until the block has ended. While one is handled already, further ones are ignored."""
    stopping = isinstance(sys.exc_info()[1], KeyboardInterrupt)
    noted: list[int] = []
    ours = {number: handler for number in _numbers(ALL) if callable(handler := signal.getsignal(number))}
    try:
        for number in ours:
            signal.signal(number, lambda came, _: noted.append(came))
        yield
    finally:
        for number, handler in ours.items():
            signal.signal(number, handler)
    if noted and not stopping:
        ours[noted[0]](noted[0], None)


@contextlib.contextmanager
def ignore_further_signals() -> Iterator[None]:
    """Ignore stop signals while one is being handled; otherwise raise them."""
    with deferred() if isinstance(sys.exc_info()[1], KeyboardInterrupt) else contextlib.nullcontext():
        yield


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Defer stop signals until the block has ended; in a process that starts in it, until it calls `ignore`."""
    can_block = hasattr(signal, "pthread_sigmask")
    with deferred():  # since another thread may get what this one blocks
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _numbers(ALL)) if can_block else None
        try:
            yield
        finally:
            if before is not None:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore() -> None:
    """Ignore stop signals for the rest of this process: it was stopped already, or another process decides."""
    for number in _numbers(ALL):
        signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _numbers(ALL))


def _numbers(names: Sequence[str]) -> list[int]:
    """The numbers of the signals that this system knows; empty where this thread may not handle them."""
    in_main = threading.current_thread() is threading.main_thread()
    return [getattr(signal, name) for name in names if hasattr(signal, name)] if in_main else []
