"""The process that runs a run, and whether it is alive: by its number on this machine, by its heartbeat on another one.

File locks alone are not enough: some network disks have none, or locks that hold on one machine only.
"""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

BEAT = 15.0  # seconds between two heartbeats of a process
SILENCE = 120.0  # seconds without a heartbeat after which a process of another machine counts as dead

ENDED = -1


@functools.cache
def machine() -> str:
    """The host, its boot, and the space in which its process numbers hold (a container has its own)."""
    found = [platform.node()]
    with contextlib.suppress(OSError):
        found.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        found.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(found)


def this_process() -> dict[str, Any]:
    """This process, as a marker names it."""
    return {"host": platform.node(), "machine": machine(), "pid": os.getpid(), "started": _start_of_this(os.getpid())}


@functools.cache
def _start_of_this(pid: int) -> int | None:
    return start_of(pid)


def start_of(pid: int) -> int | None:
    """When a process of this machine started, in ticks since the boot; None if the system does not say."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return ENDED if after_name[0] in "ZX" else int(after_name[19])  # a zombie has ended, too


def process_of(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """The process of a run; an older record has its number only."""
    return state.get("process") or {"machine": machine(), "pid": state.get("pid")}


def is_alive(owner: Mapping[str, Any], silence: float) -> bool:
    """Whether a process may still run.

    Args:
        owner: as `this_process` describes it.
        silence: seconds since its last heartbeat.
    """
    pid, started = owner.get("pid"), owner.get("started")
    if owner.get("machine") != machine() or not isinstance(pid, int):
        return silence < SILENCE
    found = start_of(pid)
    if isinstance(started, int) and found is not None:
        return found == started
    return exists(pid) and silence < SILENCE  # the number may have been given to another process


def exists(pid: int) -> bool:
    """Whether this machine has a process with that number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # of another user
        return True
    return True


class Heart:
    """Touches files regularly while this process lives."""

    def __init__(self) -> None:
        self.files: set[Path] = set()
        self.thread: threading.Thread | None = None
        self.ended = threading.Event()

    def add(self, file: Path) -> None:
        """Touch a file from now on."""
        self.files.add(file)
        if self.thread is None or not self.thread.is_alive():  # a forked process has no threads
            self.thread = threading.Thread(target=self._beat, name="stackprop-heartbeat", daemon=True)
            self.thread.start()

    def remove(self, file: Path) -> None:
        """Touch a file no longer."""
        self.files.discard(file)

    def _beat(self) -> None:
        while not self.ended.wait(BEAT):
            for file in tuple(self.files):
                with contextlib.suppress(OSError):  # a full disk, or a file that was removed
                    os.utime(file)


HEART = Heart()
