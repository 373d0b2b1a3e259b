"""Runs whose process is gone without a word (SIGKILL, power cut) are ended by whoever starts next.

A running process holds a lock beside `runs/.running/<run>.json`; the file names the folders of its runs. A lock that can be
had although the file is there tells that its process is gone.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from framework.core.errors import StillRunning
from framework.core.reading import read_mapping
from framework.core.writing import check_no_link, inside, write_text
from framework.tracking.run_dir import read_state


class RunLock:
    """The lock that says: these runs have a living process.

    Args:
        marker: the file that names their folders; the lock is beside it.
    """

    def __init__(self, marker: Path, folders: Sequence[Path] = ()) -> None:
        # Threads are one process: a run may end on another one than it began on.
        check_no_link(marker.with_suffix(".lock"))  # to lock a file empties it
        self.marker, self.lock = marker, FileLock(marker.with_suffix(".lock"), thread_local=False)
        self.left = {folder.resolve() for folder in folders}

    def release(self, folder: Path | None = None) -> None:
        """A run has ended in good order, the last one or (None) all of them."""
        self.left.discard(folder.resolve()) if folder else self.left.clear()
        if not self.left:
            with contextlib.suppress(OSError):  # it is a folder, which we have not made
                self.marker.unlink(missing_ok=True)
            self.lock.release()
            Path(self.lock.lock_file).unlink(missing_ok=True)


def lock_runs(runs: Path, folders: Sequence[Path]) -> RunLock:
    """Mark runs as running by this process.

    Raises:
        StillRunning: another one is at it.
    """
    runs.mkdir(parents=True, exist_ok=True)
    place = runs / ".running"
    if os.path.lexists(place) and not place.is_dir():
        aside = next(aside for i in itertools.count(1) if not os.path.lexists(aside := place.with_name(f".running-{i}")))
        print(f"stackprop: {place} is no folder; it is now {aside}", file=sys.stderr)
        place.rename(aside)
    inside(runs, ".running")
    claimed = RunLock(place / f"{folders[0].parent.name}-{folders[0].name}.json", folders)
    try:
        claimed.lock.acquire(timeout=0)
    except Timeout as error:
        raise StillRunning(f"{folders[0]}: it is still running, in another process") from error
    # Relative to the folder of runs: in a copy of a project they are the runs of the copy.
    named = [os.path.relpath(folder.resolve(), runs.resolve()) for folder in folders]
    write_text(claimed.marker, json.dumps({"folders": named}), lasting=False)
    return claimed


def find_orphans(runs: Path) -> Iterator[tuple[RunLock, list[Path]]]:
    """The folders of runs without a living process, each with its claim, to be released when they have been ended."""
    for marker in sorted((runs / ".running").glob("*.json")):
        try:
            left = RunLock(marker)
            left.lock.acquire(timeout=0)
        except (Timeout, OSError):  # alive, or of another user, or no lock
            continue
        yield left, _named(marker)


def _named(marker: Path) -> list[Path]:
    """The folders in a marker, absolute; none where it is something else."""
    words, runs = read_mapping(marker).get("folders"), marker.parent.parent.resolve()
    named = [word for word in words if isinstance(word, str)] if isinstance(words, list) else []
    return [Path(os.path.normpath(runs / word)) for word in named]


def claimed(runs: Path) -> set[Path] | None:
    """The folders of all runs that some process calls its own; None where that cannot be known."""
    place = runs / ".running"
    markers = list(place.glob("*.json"))
    if any(os.path.lexists(path) and not os.access(path, os.R_OK) for path in (place, *markers)):
        return None
    return {folder for marker in markers for folder in _named(marker)}


def close_orphans(runs: Path, end: Any) -> list[Path]:
    """End every run whose process is gone. One that cannot be ended, of another user for example, stays as it is.

    Args:
        runs: the folder of runs.
        end: called with the folder and the state that `run.json` is to have; it tells the tracking store.
    """
    reaped = []
    for left, folders in find_orphans(runs):
        try:
            for folder in folders:
                if read_state(folder).get("status") == "running":
                    end(folder, lost_state(read_state(folder)))
                    reaped.append(folder)
            left.release()
        except OSError as error:
            print(f"stackprop: a run without a process cannot be ended: {error}", file=sys.stderr)
            left.lock.release()
    return reaped


def lost_state(state: dict[str, Any]) -> dict[str, Any]:
    """What `run.json` is to say of a run whose process is gone."""
    return {**state, "status": "lost", "reason": "its process is gone", "ended": time.time(), "state": "FAILED"}
