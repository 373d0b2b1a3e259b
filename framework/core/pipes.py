"""Output to a closed pipe (`stackprop -m ... | head`, a pager that was quit, a terminal that was closed), to a full disk,
or with characters that its encoding lacks."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

CLOSED = (errno.EPIPE, errno.EIO, errno.EBADF)  # the errors of writing to a closed pipe or terminal


class BrokenPipeTolerant:
    """A stream whose pipe may be closed: later output is dropped, so that a training is not stopped by it.

    Args:
        stream: with a file descriptor.
    """

    def __init__(self, stream: Any) -> None:
        self.stream, self.lost = stream, ""  # why output was lost although the pipe was open

    def write(self, text: str) -> int:
        """Write the text, or drop it."""
        with self._dropping():
            self.stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush the buffer, or drop it."""
        with self._dropping():
            self.stream.flush()

    @contextlib.contextmanager
    def _dropping(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.lost = self.lost or ("" if error.errno in CLOSED else str(error.strerror))
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())  # the next flush sends the buffer there too
            os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def open_closed() -> None:
    """Open the standard streams that were closed (`>&-`), to nowhere: a database would get their number, and the output."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it gets the lowest free number: this one
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


def replace_unencodable() -> None:
    """From now on, a character that the output encoding lacks is shown as a question mark instead of raising an error."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


@dataclass
class ReplacingWriter:
    """The state of the output streams in `ignore_broken_pipe`.

    Attributes:
        failed: whether output was lost for another reason than a closed pipe.
    """

    failed: bool = False


@contextlib.contextmanager
def ignore_broken_pipe() -> Iterator[ReplacingWriter]:
    """Tolerate a closed pipe and unencodable characters in this block."""
    replace_unencodable()
    before, spoken = (sys.stdout, sys.stderr), ReplacingWriter()
    sys.stdout, sys.stderr = [
        stream and BrokenPipeTolerant(stream) for stream in before
    ]  # None if it was closed from the start
    ours: list[Any] = list(filter(None, (sys.stdout, sys.stderr)))
    try:
        yield spoken
    finally:
        for stream in ours:
            stream.flush()
        spoken.failed = any(stream.lost for stream in ours)
        for why in {stream.lost for stream in ours if stream.lost}:
            print(f"stackprop: the output could not be written: {why}", file=ours[-1], flush=True)
        sys.stdout, sys.stderr = before
