"""The failure of a run: its message, and its traceback in a file."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path

from framework.core.blame import described
from framework.core.errors import ConfigError, DataError, RunFailed, TierError
from framework.core.stacking import CannotStackError
from framework.core.writing import write_text
from framework.tracking.run_record import RunRecord

MISTAKES = (ConfigError, DataError)  # errors of the user: a message without a traceback
OF_ALL = (TierError, CannotStackError)  # errors about what all jobs of a stack have in common


@dataclass(frozen=True)
class Failure:
    """The exception that ended a training.

    Attributes:
        trace: its traceback as text.
        place: the type of the error, and the line of code that raised it.
    """

    error: Exception
    trace: str
    place: tuple[str, str, int]

    @classmethod
    def of(cls, error: Exception) -> Failure:
        """The failure by an exception that was caught."""
        trace = "".join(traceback.format_exception(error))
        last = traceback.extract_tb(error.__traceback__)[-1:]
        place = (type(error).__name__, last[0].filename if last else "", (last[0].lineno or 0) if last else 0)
        return cls(error, trace, place)

    def release(self) -> None:
        """Free the arrays of the training, which the tracebacks of the error refer to."""
        link: BaseException | None = self.error
        while link is not None and link.__traceback__ is not None:
            link.__traceback__, link = None, link.__cause__ or link.__context__

    @property
    def reason(self) -> str:
        """Its message."""
        return reason_of(self.error)

    @property
    def is_mistake(self) -> bool:
        """Whether it is an error of the user, which needs no traceback."""
        return isinstance(self.error, MISTAKES)

    @property
    def is_of_all(self) -> bool:
        """Whether every part of the stack would fail in the same way, since it is about what all jobs share."""
        return isinstance(self.error, OF_ALL)

    @property
    def is_of_memory(self) -> bool:
        """Whether a narrower stack may have room."""
        return isinstance(self.error, MemoryError)


def failure_of(error: Exception, more: str = "") -> RunFailed:
    """A failure caused by an exception."""
    failure = RunFailed(f"{reason_of(error)}{more}")
    failure.__cause__ = error
    return failure


def reason_of(error: BaseException) -> str:
    """The error message of an exception."""
    if isinstance(error, MISTAKES):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{f'{error.filename}: ' if error.filename else ''}{error.strerror}"
    if hasattr(error, "component"):
        return described(error)
    return f"{type(error).__name__}: {error}"


def write_traceback(record: RunRecord, text: str) -> Path | None:
    """Write a traceback to a file of the run; None if that is not possible."""
    path = record.place.folder / "traceback.txt"
    try:
        write_text(path, text)
    except OSError:
        return None
    if record.tracked:
        record.tracked.artifact(path)
    return path
