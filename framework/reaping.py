"""Runs whose process is gone without a word (SIGKILL, power cut) are ended by whoever starts next.

A running process holds a lock on `runs/.running/<run>`; the file names the run's folder. A lock that can be had although the
file is there tells that its process is gone.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout


class Claim:
    """The lock that says: this run has a living process."""

    def __init__(self, marker: Path) -> None:
        self.marker, self.lock = marker, FileLock(marker.with_suffix(".lock"))

    def release(self) -> None:
        """The run has ended in good order."""
        self.marker.unlink(missing_ok=True)
        self.lock.release()
        Path(self.lock.lock_file).unlink(missing_ok=True)


def claim(runs: Path, folder: Path) -> Claim:
    """Mark a run as running by this process."""
    place = runs / ".running"
    place.mkdir(parents=True, exist_ok=True)
    marker = place / f"{folder.parent.name}-{folder.name}.json"
    claimed = Claim(marker)
    claimed.lock.acquire()
    marker.write_text(json.dumps({"folder": str(folder.resolve())}), encoding="utf-8")
    return claimed


def gone(runs: Path) -> Iterator[tuple[Claim, Path]]:
    """The folders of runs without a living process, each with its claim, to be released when it has been ended."""
    for marker in sorted((runs / ".running").glob("*.json")):
        left = Claim(marker)
        try:
            left.lock.acquire(timeout=0)
        except Timeout:
            continue
        try:
            folder = Path(json.loads(marker.read_text(encoding="utf-8"))["folder"])
        except (OSError, ValueError, KeyError):
            left.release()
            continue
        yield left, folder


def reap(runs: Path, end: Any) -> list[Path]:
    """End every run whose process is gone.

    Args:
        runs: the folder of runs.
        end: called with the folder and the state that `run.json` is to have; it tells the tracking store.
    """
    reaped = []
    for left, folder in gone(runs):
        path = folder / "run.json"
        if path.exists():
            state = json.loads(path.read_text(encoding="utf-8"))
            if state.get("status") == "running":
                state |= {"status": "lost", "reason": "its process is gone", "ended": time.time(), "state": "FAILED"}
                end(folder, state)
                reaped.append(folder)
        left.release()
    return reaped
