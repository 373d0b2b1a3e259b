"""Limits the time that a tracking store which is slow, or does not answer, may delay a training."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

ALLOWED, PER_RUN = 8.0, 1.0  # seconds that a server may delay a process at once, plus this for each run that it records
REFILL = 0.2  # fraction of the time without delay that is added to the allowance
PAUSE = 60.0  # seconds without a new attempt after a store was not reachable: an attempt takes ten


class SlowServerError(TimeoutError):
    """A server delays a training for too long."""


class StoreDownError(SlowServerError):
    """A store was not reachable a moment ago, and is not asked again yet."""


class TimeBudget:
    """The time that a store may delay what it records: limited for a server, unlimited for a local file.

    Args:
        served: whether it is a server.
        remote: whether it may be unreachable: any store but the one in the folder of runs.
    """

    def __init__(self, served: bool, remote: bool = False) -> None:
        self.served, self.remote, self.most, self.left = served, remote, ALLOWED, ALLOWED
        self.at, self.complained, self.down_until = time.monotonic(), False, -math.inf
        self.fault: Exception | None = None  # why the store was not reachable

    def begin_run(self) -> None:
        """Add the allowance of one more run."""
        self.most, self.left = self.most + PER_RUN, self.left + PER_RUN

    def call(self, action: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """The result of an action.

        Raises:
            SlowServerError: it takes longer than allowed; it may still end later, without effect.
            StoreDownError: the store was not reachable in the last minute, so that many runs do not wait one by one.
            Exception: whatever it raises.
        """
        if time.monotonic() < self.down_until:
            raise StoreDownError("the store was not reachable a moment ago") from self.fault
        try:
            return self._call(action, *args, **kwargs)
        except Exception as error:
            if self.remote and is_outage(error) and not isinstance(error, SlowServerError):
                self.down_until, self.fault = time.monotonic() + PAUSE, error
            raise

    def _call(self, action: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
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


def is_outage(error: BaseException) -> bool:
    """Whether an error means that a store was not reached, or answers too slowly; otherwise it has answered."""
    if isinstance(error, SlowServerError | ConnectionError) or type(error).__name__ == "OperationalError":
        return True  # the latter: a database cannot be opened
    if type(error).__name__ == "RestException" or getattr(error, "response", None) is not None:
        return False
    # MLflow reports a refused connection, and a database that is down, with these codes.
    return getattr(error, "error_code", "") in ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE")


_patient: ContextVar[bool] = ContextVar("patient", default=False)


@contextlib.contextmanager
def patiently() -> Iterator[None]:
    """Wait for the store without a limit in this block."""
    token = _patient.set(True)
    try:
        yield
    finally:
        _patient.reset(token)
