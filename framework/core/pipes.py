"""Output that nobody reads any more (`stackprop -m ... | head`, a pager that was left, a terminal that was closed), that a
full disk does not take, or that cannot show every letter."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

CLOSED = (errno.EPIPE, errno.EIO, errno.EBADF)  # what writing to a reader or a terminal that has gone comes to


class BrokenPipeTolerant:
    """A stream whose reader may go: what is written then is dropped. A training does not end for want of a reader.

    Args:
        stream: with a file descriptor.
    """

    def __init__(self, stream: Any) -> None:
        self.stream, self.lost = stream, ""  # why what was written was not taken, where somebody wanted it

    def write(self, text: str) -> int:
        """Write, or drop it."""
        with self._dropping():
            self.stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Bring out what waits, or drop it."""
        with self._dropping():
            self.stream.flush()

    @contextlib.contextmanager
    def _dropping(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.lost = self.lost or ("" if error.errno in CLOSED else str(error.strerror))
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())  # what the stream has kept goes there too, at the next flush
            os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def replace_unencodable() -> None:
    """From now on a letter that the encoding of the output lacks is shown as a question mark, and is not an error."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


@dataclass
class ReplacingWriter:
    """
    Attributes:
        failed: whether some of the output was not taken although it was wanted.
    """

    failed: bool = False


@contextlib.contextmanager
def ignore_broken_pipe() -> Iterator[ReplacingWriter]:
    """What is printed meanwhile may find no reader, and a letter that the output cannot show costs nothing else."""
    replace_unencodable()
    before, spoken = (sys.stdout, sys.stderr), ReplacingWriter()
    sys.stdout, sys.stderr = [
        stream and BrokenPipeTolerant(stream) for stream in before
    ]  # None where it was closed from the start
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
