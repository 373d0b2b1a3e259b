"""Locks of running processes: runs whose process was killed (SIGKILL, power failure) are ended by the next process.

A running process holds a lock beside `runs/.running/<run>.json`; the file names the process and the folders of its runs,
and is touched regularly. The process was killed if the lock is free and, in addition, this machine has no such process, or
another machine's process has been silent for two minutes.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from framework.core.errors import StillRunning
from framework.core.log import log
from framework.core.reading import read_mapping
from framework.core.writing import check_no_link, inside, write_text
from framework.tracking.owner import HEART, SILENCE, is_alive, process_of, this_process
from framework.tracking.run_dir import read_state

NO_LOCKS = errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS  # what a disk answers that has no locks
WAIT = f"; a process that was killed counts as such after {SILENCE:.0f} s without a heartbeat"
LOST = {"status": "lost", "reason": "its process was killed"}
_held: set[Path] = set()  # the markers of this process


class RunLock:
    """A lock which shows that the process of these runs is alive.

    Args:
        marker: the file that names their folders; the lock is beside it.
    """

    def __init__(self, marker: Path, folders: Sequence[Path] = ()) -> None:
        # Not thread-local: a run may end on another thread than it started on.
        check_no_link(marker.with_suffix(".lock"))  # locking a file empties it
        self.marker, self.lock = marker, FileLock(marker.with_suffix(".lock"), thread_local=False)
        self.left = {folder.resolve() for folder in folders}

    def acquire(self) -> None:
        """Take the lock. A disk without locks has only the heartbeat.

        Raises:
            Timeout: another process has it.
            PermissionError: it belongs to another user.
        """
        try:
            self.lock.acquire(timeout=0)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise

    def hold(self) -> None:
        """Write the marker, and keep it alive."""
        # Relative to the folder of runs: in a copy of a project, they then are the runs of the copy.
        runs = self.marker.parent.parent.resolve()
        named = sorted(os.path.relpath(folder, runs) for folder in self.left)
        write_text(self.marker, json.dumps({"folders": named, "process": this_process()}), lasting=False)
        _held.add(self.marker.resolve())
        HEART.add(self.marker.resolve())

    def other(self) -> Mapping[str, Any] | None:
        """The living process that has written the marker; None: it was killed, or there is none."""
        process = read_mapping(self.marker).get("process")
        if not isinstance(process, dict):
            return None  # a record of an older version
        if process == this_process():
            return process if self.marker.resolve() in _held else None
        return process if is_alive(process, self.silence()) else None

    def silence(self) -> float:
        """Seconds since the marker was touched, by the clock of its disk."""
        lock = Path(self.lock.lock_file)
        try:
            os.utime(lock)
            return lock.stat().st_mtime - self.marker.stat().st_mtime
        except OSError:
            return 0.0

    def release(self, folder: Path | None = None) -> None:
        """Mark one run as ended, or all of them (None)."""
        self.left.discard(folder.resolve()) if folder else self.left.clear()
        if not self.left:
            HEART.remove(self.marker.resolve())
            _held.discard(self.marker.resolve())
            with contextlib.suppress(OSError):  # it is a folder, not created by us
                self.marker.unlink(missing_ok=True)
            self.lock.release()
            Path(self.lock.lock_file).unlink(missing_ok=True)


def lock_runs(runs: Path, folders: Sequence[Path]) -> RunLock:
    """Mark runs as running in this process.

    Raises:
        StillRunning: another process runs them.
    """
    runs.mkdir(parents=True, exist_ok=True)
    place = runs / ".running"
    if os.path.lexists(place) and not place.is_dir():
        aside = next(aside for i in itertools.count(1) if not os.path.lexists(aside := place.with_name(f".running-{i}")))
        log.error(f"{place} is not a folder; renamed to {aside}")
        place.rename(aside)
    inside(runs, ".running")
    claimed = RunLock(place / f"{folders[0].parent.name}-{folders[0].name}.json", folders)
    try:
        claimed.acquire()
    except Timeout as error:
        raise StillRunning(f"{folders[0]}: still running in another process") from error
    if other := claimed.other():
        claimed.lock.release()
        raise StillRunning(f"{folders[0]}: still running in {described(other)}, {claimed.silence():.0f} s ago alive{WAIT}")
    claimed.hold()
    return claimed


def described(process: Mapping[str, Any]) -> str:
    """A process of a marker, for a message."""
    return f"process {process.get('pid')} on {process.get('host')}"


def find_orphans(runs: Path, dead: Collection[Path] = ()) -> Iterator[tuple[RunLock, list[Path]]]:
    """The folders of runs whose process was killed, each with its lock, to be released once they are ended.

    Args:
        dead: folders of runs whose process is known to have ended, on another machine for example.
    """
    known = {folder.resolve() for folder in dead}
    for marker in sorted((runs / ".running").glob("*.json")):
        try:
            left = RunLock(marker)
            left.acquire()
        except (Timeout, OSError):  # still running, of another user, or not a lock
            continue
        if left.other() and known.isdisjoint(_named(marker)):
            left.lock.release()
            continue
        yield left, _named(marker)


def _named(marker: Path) -> list[Path]:
    """The absolute folders in a marker; empty if it is something else."""
    words, runs = read_mapping(marker).get("folders"), marker.parent.parent.resolve()
    named = [word for word in words if isinstance(word, str)] if isinstance(words, list) else []
    return [Path(os.path.normpath(runs / word)) for word in named]


def claimed(runs: Path) -> set[Path] | None:
    """The folders of all runs that a process has marked; None if that is not known."""
    place = runs / ".running"
    markers = list(place.glob("*.json"))
    if any(os.path.lexists(path) and not os.access(path, os.R_OK) for path in (place, *markers)):
        return None
    return {folder for marker in markers for folder in _named(marker)}


def living(runs: Path) -> set[Path] | None:
    """As `claimed`, without the runs whose process has ended; nothing is changed."""
    known = claimed(runs)
    for marker in (runs / ".running").glob("*.json") if known else ():
        with contextlib.suppress(OSError):  # it has just been removed
            process, silence = read_mapping(marker).get("process"), time.time() - marker.stat().st_mtime
            if known and isinstance(process, dict) and not is_alive(process, silence):
                known -= set(_named(marker))
    return known


def close_orphans(runs: Path, end: Callable[[Path, dict[str, Any]], None], dead: Collection[Path] = ()) -> list[Path]:
    """End every run whose process was killed. One that cannot be ended, of another user for example, is left unchanged.

    Args:
        runs: the folder of runs.
        end: called with the folder and the new state for `run.json`; it updates the tracking store.
        dead: folders of runs whose process is known to have ended.
    """
    reaped = []
    for left, folders in find_orphans(runs, dead):
        try:
            for folder in folders:
                if read_state(folder).get("status") == "running":
                    end(folder, lost_state(read_state(folder)))
                    reaped.append(folder)
            left.release()
        except OSError as error:
            log.error(f"an interrupted run cannot be marked as ended: {error}")
            left.lock.release()
    return reaped


def current_state(folder: Path) -> dict[str, Any]:
    """The content of `run.json`. A run that is recorded as running is lost if its process was on this machine and does not
    exist any more; nothing is changed."""
    state = read_state(folder)
    if state.get("status") != "running" or is_alive(process_of(state), silence=0.0):
        return state
    state = read_state(folder)  # it may just have ended
    return {**state, **LOST} if state.get("status") == "running" else state


def lost_state(state: dict[str, Any]) -> dict[str, Any]:
    """The state for `run.json` of a run whose process was killed."""
    return {**state, **LOST, "ended": time.time(), "state": "FAILED"}
