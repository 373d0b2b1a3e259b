"""How long a tracking server may hold up what it records."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

ALLOWED, PER_RUN = 8.0, 1.0  # seconds that a server may hold up a process at once, and more for each run that it records
REFILL = 0.2  # of the time in which it does not, is allowed again


class SlowServerError(TimeoutError):
    """A server holds a training up for too long."""


class TimeBudget:
    """How long a store may hold up what it records: a server some seconds, a file of this machine as long as it takes.

    Args:
        served: whether it is a server.
    """

    def __init__(self, served: bool) -> None:
        self.served, self.most, self.left = served, ALLOWED, ALLOWED
        self.at, self.complained = time.monotonic(), False

    def begin_run(self) -> None:
        """One run more."""
        self.most, self.left = self.most + PER_RUN, self.left + PER_RUN

    def call(self, action: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """What an action comes to.

        Raises:
            SlowServerError: it takes longer than allowed; it may still come to its end, unheard.
            Exception: whatever it raises.
        """
        if not self.served or _patient.get():
            return action(*args, **kwargs)
        began = time.monotonic()
        self.left = min(self.most, self.left + REFILL * (began - self.at))
        found: list[tuple[Any, BaseException | None]] = []

        def work() -> None:
            try:
                found.append((action(*args, **kwargs), None))
            except BaseException as error:
                found.append((None, error))

        # Not a limit of the requests: those hold for one try to connect, or one piece of an answer.
        thread = threading.Thread(target=work, daemon=True)
        if self.left > 0:
            thread.start()
            thread.join(self.left)
        self.at = time.monotonic()
        self.left -= self.at - began
        if not found:
            raise SlowServerError("the server answers too slowly")
        answer, error = found[0]
        if error:
            raise error
        return answer


_patient: ContextVar[bool] = ContextVar("patient", default=False)


@contextlib.contextmanager
def patiently() -> Iterator[None]:
    """Nothing but the store is waited for."""
    token = _patient.set(True)
    try:
        yield
    finally:
        _patient.reset(token)
