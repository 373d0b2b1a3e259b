"""Limits the time that a slow tracking server may delay a training."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

ALLOWED, PER_RUN = 8.0, 1.0  # seconds that a server may delay a process at once, plus this for each run that it records
REFILL = 0.2  # fraction of the time without delay that is added to the allowance


class SlowServerError(TimeoutError):
    """A server delays a training for too long."""


class TimeBudget:
    """The time that a store may delay what it records: limited for a server, unlimited for a local file.

    Args:
        served: whether it is a server.
    """

    def __init__(self, served: bool) -> None:
        self.served, self.most, self.left = served, ALLOWED, ALLOWED
        self.at, self.complained = time.monotonic(), False

    def begin_run(self) -> None:
        """Add the allowance of one more run."""
        self.most, self.left = self.most + PER_RUN, self.left + PER_RUN

    def call(self, action: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """The result of an action.

        Raises:
            SlowServerError: it takes longer than allowed; it may still end later, without effect.
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

        # A timeout of requests does not suffice: it holds for one connection or one part of an answer.
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
    """Wait for the store without a limit in this block."""
    token = _patient.set(True)
    try:
        yield
    finally:
        _patient.reset(token)
