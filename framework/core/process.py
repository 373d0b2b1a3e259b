"""The environment variables and the memory of this process, its copies, and the imports of new processes."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import threading
import types
from collections.abc import Iterator, Mapping

from framework.core.secrets import URI

ARENAS = -8  # the number of this setting in C's `mallopt`
_state = {"command": False}


def note_command() -> None:
    """Note that this process runs a command and nothing else."""
    _state["command"] = True


def limit_heaps() -> None:
    """Let the threads of this process share as many heaps as there are cores. C's library on Linux makes up to eight times
    as many, and each keeps the memory that its threads have freed: a long sweep would grow from stack to stack."""
    if "MALLOC_ARENA_MAX" not in os.environ:
        with contextlib.suppress(OSError, AttributeError, TypeError):  # another library of C
            ctypes.CDLL(None).mallopt(ARENAS, os.cpu_count() or 1)


def can_fork() -> bool:
    """Whether a copy of this process can work on, on another core. No other thread may hold a lock, and a GPU belongs to one
    process."""
    alone = _state["command"] and threading.active_count() == 1 and "cupy" not in sys.modules
    return alone and sys.platform == "linux" and len(os.sched_getaffinity(0)) > 1


@contextlib.contextmanager
def without_main() -> Iterator[None]:
    """A process that is spawned in this block does not import the main script: without
    `if __name__ == "__main__"` the script would run again."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextlib.contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables; afterwards they are as before."""
    before = {key: os.environ.get(key) for key in (*values, URI)}  # MLflow's client writes its own into it
    os.environ.update(values)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value
