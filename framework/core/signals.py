"""Signals that stop a process: raised as exceptions, and deferred while the end of a run is recorded."""

from __future__ import annotations

import contextlib
import math
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

STOPS = ("SIGTERM", "SIGHUP")  # as Ctrl-C; the second one when the terminal or the connection is closed
OF_CLUSTERS = (*STOPS, "SIGUSR2")  # sent by SLURM shortly before the time limit
ALL = ("SIGINT", *OF_CLUSTERS)
TOGETHER = 1.0  # seconds in which further signals count as one: a terminal, a launcher and a scheduler may each send one


class SignalInterrupt(KeyboardInterrupt):
    """A stop signal, by its name."""

    @property
    def status(self) -> int:
        """The exit status that names the signal."""
        return 128 + signal.Signals[str(self)]


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


def ignore() -> None:
    """Ignore stop signals for the rest of this process: it was stopped already, or another process decides."""
    for number in _numbers(ALL):
        signal.signal(number, signal.SIG_IGN)


def _numbers(names: Sequence[str]) -> list[int]:
    """The numbers of the signals that this system knows; empty where this thread may not handle them."""
    in_main = threading.current_thread() is threading.main_thread()
    return [getattr(signal, name) for name in names if hasattr(signal, name)] if in_main else []
