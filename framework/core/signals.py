"""Signals that ask a process to stop: an exception in what runs; they wait where an end is being written down."""

from __future__ import annotations

import contextlib
import math
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

STOPS = ("SIGTERM", "SIGHUP")  # as Ctrl-C; the second one where the terminal or the connection has gone
OF_CLUSTERS = (*STOPS, "SIGUSR2")  # SLURM's word to a task whose time is nearly over
ALL = ("SIGINT", *OF_CLUSTERS)
TOGETHER = (
    1.0  # seconds in which further signals are the same wish: a terminal, a launcher and a scheduler may each send one
)


class SignalInterrupt(KeyboardInterrupt):
    """A signal to stop, by its name."""

    @property
    def status(self) -> int:
        """The exit status that tells it."""
        return 128 + signal.Signals[str(self)]


@contextlib.contextmanager
def raise_on_signals(names: Sequence[str] = STOPS, for_good: bool = False) -> Iterator[None]:
    """A signal to stop becomes an exception meanwhile; a run in the block then ends as killed. One that is ignored stays so:
    that is what `nohup` does with SIGHUP.

    Args:
        for_good: the process ends with the block; what has been ignored since stays so.
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
    """A signal that would become an exception waits until the block has ended. Where one is being handled already, further
    ones say nothing new."""
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
    """Where a signal to stop is being handled, further ones say nothing new; otherwise they are heeded."""
    with deferred() if isinstance(sys.exc_info()[1], KeyboardInterrupt) else contextlib.nullcontext():
        yield


def ignore() -> None:
    """What this process still does it does to its end: it has been told to stop, or another process says when."""
    for number in _numbers(ALL):
        signal.signal(number, signal.SIG_IGN)


def _numbers(names: Sequence[str]) -> list[int]:
    """Those that this system knows; none where this thread may not handle them."""
    in_main = threading.current_thread() is threading.main_thread()
    return [getattr(signal, name) for name in names if hasattr(signal, name)] if in_main else []
