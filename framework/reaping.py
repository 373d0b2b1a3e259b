"""Runs whose process is gone without a word (SIGKILL, power cut) are ended by whoever starts next.

A running process holds a lock beside `runs/.running/<run>.json`; the file names the folders of its runs. A lock that can be
had although the file is there tells that its process is gone.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from framework.reading import read_json
from framework.writing import inside, refuse_link, write_text


class Claim:
    """The lock that says: these runs have a living process.

    Args:
        marker: the file that names their folders; the lock is beside it.
    """

    def __init__(self, marker: Path, folders: Sequence[Path] = ()) -> None:
        # Threads are one process: a run may end on another one than it began on.
        refuse_link(marker.with_suffix(".lock"))  # to lock a file empties it
        self.marker, self.lock = marker, FileLock(marker.with_suffix(".lock"), thread_local=False)
        self.left = {folder.resolve() for folder in folders}

    def release(self, folder: Path | None = None) -> None:
        """A run has ended in good order, the last one or (None) all of them."""
        self.left.discard(folder.resolve()) if folder else self.left.clear()
        if not self.left:
            self.marker.unlink(missing_ok=True)
            self.lock.release()
            Path(self.lock.lock_file).unlink(missing_ok=True)


class StillRunning(RuntimeError):  # noqa: N818
    """A run has a living process."""


def claim(runs: Path, folders: Sequence[Path]) -> Claim:
    """Mark runs as running by this process.

    Raises:
        StillRunning: another one is at it.
    """
    runs.mkdir(parents=True, exist_ok=True)
    place = inside(runs, ".running")
    claimed = Claim(place / f"{folders[0].parent.name}-{folders[0].name}.json", folders)
    try:
        claimed.lock.acquire(timeout=0)
    except Timeout as error:
        raise StillRunning(f"{folders[0]}: it is still running, in another process") from error
    write_text(claimed.marker, json.dumps({"folders": [str(folder.resolve()) for folder in folders]}))
    return claimed


def gone(runs: Path) -> Iterator[tuple[Claim, list[Path]]]:
    """The folders of runs without a living process, each with its claim, to be released when they have been ended."""
    for marker in sorted((runs / ".running").glob("*.json")):
        try:
            left = Claim(marker)
            left.lock.acquire(timeout=0)
        except (Timeout, OSError):  # alive, or of another user, or no lock
            continue
        try:
            folders = [Path(folder) for folder in read_json(marker)["folders"]]
        except (OSError, ValueError, KeyError, TypeError):
            left.release()
            continue
        yield left, folders


def reap(runs: Path, end: Any) -> list[Path]:
    """End every run whose process is gone.

    Args:
        runs: the folder of runs.
        end: called with the folder and the state that `run.json` is to have; it tells the tracking store.
    """
    reaped = []
    for left, folders in gone(runs):
        for folder in folders:
            state = _state(folder)
            if state.get("status") == "running":
                state |= {"status": "lost", "reason": "its process is gone", "ended": time.time(), "state": "FAILED"}
                end(folder, state)
                reaped.append(folder)
        left.release()
    return reaped


def _state(folder: Path) -> dict[str, Any]:
    """What `run.json` says; nothing where it cannot be read."""
    try:
        return dict(read_json(folder / "run.json"))
    except (OSError, ValueError, TypeError):
        return {}
