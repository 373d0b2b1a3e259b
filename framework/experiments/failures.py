"""The failure of a run: its message, and its traceback in a file."""

from __future__ import annotations

import traceback
from pathlib import Path

from framework.core.errors import ConfigError, DataError, RunFailed
from framework.core.writing import write_text
from framework.tracking.run_record import RunRecord

MISTAKES = (ConfigError, DataError)  # errors of the user: a message without a traceback


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
    return f"{type(error).__name__}: {error}"


def write_traceback(record: RunRecord) -> Path | None:
    """Write the current exception to a file; None if that is not possible."""
    path = record.place.folder / "traceback.txt"
    try:
        write_text(path, traceback.format_exc())
    except OSError:
        return None
    if record.tracked:
        record.tracked.artifact(path)
    return path
