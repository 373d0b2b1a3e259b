"""Output that nobody reads any more (`stackprop -m ... | head`, a pager that was left), or that cannot show every letter."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any


class Unheard:
    """A stream whose reader may go: what is written then is dropped. A training does not end for want of a reader.

    Args:
        stream: with a file descriptor.
    """

    def __init__(self, stream: Any) -> None:
        self.stream = stream

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
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())  # what the stream has kept goes there too, at the next flush
            os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def lenient() -> None:
    """From now on a letter that the encoding of the output lacks is shown as a question mark, and is not an error."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


@contextlib.contextmanager
def unheard() -> Iterator[None]:
    """What is printed meanwhile may find no reader, and a letter that the output cannot show costs nothing else."""
    lenient()
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = [stream and Unheard(stream) for stream in before]  # None where it was closed from the start
    try:
        yield
    finally:
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
        sys.stdout, sys.stderr = before
