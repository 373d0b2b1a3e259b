"""The one logger of the library, and how the command shows it."""

from __future__ import annotations

import logging
import sys

log = logging.getLogger("stackprop")


class StderrHandler(logging.Handler):
    """`stackprop: warning: ...` on the standard error of the moment; errors without the word."""

    def emit(self, record: logging.LogRecord) -> None:
        word = "warning: " if record.levelno == logging.WARNING else ""
        print(f"stackprop: {word}{record.getMessage()}", file=sys.stderr, flush=True)


def show() -> None:
    """Print the messages of the library in this process, each once."""
    if not any(isinstance(handler, StderrHandler) for handler in log.handlers):
        log.addHandler(StderrHandler())
        log.setLevel(logging.INFO)
        log.propagate = False
