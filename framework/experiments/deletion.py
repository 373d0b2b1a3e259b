"""Deletes runs and sweeps: folder, checkpoint, and the run in the tracking store with its artifacts and its model.

First a record is renamed to `deleted.json`: it does not count as a run any more. Then the store is changed, and at last the
folder removed. A deletion that is interrupted, or whose store is down, is finished by `stackprop doctor`.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from framework.core.errors import ConfigError
from framework.core.reading import read_bytes, read_mapping
from framework.core.trust import knows_store
from framework.core.writing import check_no_link, size_of
from framework.experiments.loading import tracking_of_run
from framework.tracking.edits import erase
from framework.tracking.folders import MARK, SWEEP, forget, walk
from framework.tracking.locks import claimed
from framework.tracking.mlflow import MlflowStore, get_store
from framework.tracking.options import Tracking
from framework.tracking.run_dir import jobs_of, read_state, read_sweep, store_dir, update_sweep
from framework.tracking.store_errors import store_fault

KEYED = re.compile(rb'"key": "([0-9a-f]+)"')
# What may lie in a folder of a run that the user chose (`hydra.run.dir=here`), where other files stay.
OURS = (
    *("run.json", "config.yaml", "metrics.jsonl", "model.npz", "model.json", "checkpoint.npz", "plugins.json", "plugins"),
    *(
        "figures",
        ".hydra",
        "generated.txt",
        "gradient_norms.csv",
        "traceback.txt",
        "report.html",
        "study.md",
        "held_out.csv",
    ),
    *("sweep.json", "multirun.yaml", "table.md", "attempts", "comparisons", "comparison.png", "search.png", "stackprop.log"),
    *("importance.md", "importance.png", "optimization_results.yaml", ".submitit", "held_out.csv", MARK),
)


@dataclass(frozen=True)
class Deletion:
    """What was, or would be, deleted.

    Attributes:
        freed: bytes.
        left: why something is left; empty if nothing is.
    """

    folder: Path
    runs: int
    freed: int
    left: str = ""


def check_deletable(folders: Sequence[Path], runs: Path) -> None:
    """Check that folders hold runs or sweeps that are not running.

    Raises:
        ConfigError: one does not; none is deleted then.
    """
    busy = claimed(runs) or set()
    here = (Path.cwd(), runs.resolve(), Path.home())
    for folder in folders:
        if folder.is_symlink():
            raise ConfigError(f"{folder}: this is a link to {os.readlink(folder)}; delete that, or remove the link itself")
        is_sweep = (folder / SWEEP).is_file() and not (folder / "run.json").exists()
        if not (read_sweep(folder) if is_sweep else read_state(folder)):
            raise ConfigError(f"{folder}: neither a run nor a sweep with a valid record; it is not deleted")
        inside = next((path for path in here if path.is_relative_to(folder.resolve())), None)
        if inside is not None:
            raise ConfigError(f"{folder}: {inside} lies in it; it is not deleted")
        for run in jobs_of(folder) if is_sweep else [folder]:
            if read_state(run).get("status") == "running" or run.resolve() in busy:
                raise ConfigError(f"{run}: still running; nothing was deleted (if its process was killed: stackprop doctor)")


def size(folder: Path) -> Deletion:
    """What would be deleted; without what lies in the tracking store."""
    return Deletion(folder, _count(folder), size_of(folder))


def _count(folder: Path) -> int:
    return len(jobs_of(folder)) if not (folder / "run.json").exists() else 1


class Deleter:
    """Deletes the runs and sweeps in a folder of runs.

    Args:
        runs: the folder of runs.
    """

    def __init__(self, runs: Path) -> None:
        self.runs = runs
        self.listed: dict[Path, dict[str, list[str]]] = {}

    @functools.cached_property
    def owners(self) -> dict[bytes, set[Path]]:
        """Key -> the records with that key: several, if a folder was copied."""
        found, there = dict[bytes, set[Path]](), walk(self.runs)
        records = [folder / "run.json" for folder in there.records]
        for path in (*records, *(folder / SWEEP for folder in there.sweeps)):
            with contextlib.suppress(OSError, ValueError):
                for key in KEYED.findall(read_bytes(path)):
                    found.setdefault(key, set()).add(path.resolve())
        return found

    def delete(self, folder: Path) -> Deletion:
        """Delete a run or a sweep that `check_deletable` accepts.

        Raises:
            OSError: a file cannot be removed.
        """
        count, record = _count(folder), SWEEP if not (folder / "run.json").exists() else "run.json"
        assert self.owners is not None  # read before the records are renamed
        for path in (folder, folder / record, folder / MARK):
            check_no_link(path)
        if record == "run.json" and (folder.parent / SWEEP).is_file():
            _leave(folder)
        os.replace(folder / record, folder / MARK)
        return self.finish(folder, count)

    def finish(self, folder: Path, count: int = 1) -> Deletion:
        """Finish the deletion of a marked folder: first in the store, then its files."""
        state, jobs = read_mapping(folder / MARK), list[Path]()
        if "status" not in state:  # a sweep
            jobs = [*jobs_of(folder), *jobs_of(folder / "attempts")]
        ends = [self._erased(job, read_state(job), job / "run.json") for job in jobs]
        ends.append(self._erased(jobs[0] if jobs else folder, state, folder / (SWEEP if jobs else "run.json")))
        freed, left = sum(size for size, _ in ends), next((why for _, why in ends if why), "")
        if left:
            return Deletion(folder, count, freed, left)
        forget(self.runs, folder)
        before = size_of(folder)
        rest = _remove(folder, self.runs)
        return Deletion(folder, count, freed + before - size_of(folder), rest)

    def _ids(self, store: MlflowStore, key: str) -> list[str]:
        """The ids of the runs of a record; a local store is read once, since a search takes a tenth of a second."""
        if store.database is None:
            return store.ids_of(key)
        if store.database not in self.listed:
            found = self.listed[store.database] = {}
            for run in store.listed():
                if run.active and run.key:
                    found.setdefault(run.key, []).append(run.run_id)
        return self.listed[store.database].get(key, [])

    def _erased(self, folder: Path, state: Mapping[str, Any], record: Path) -> tuple[int, str]:
        """Delete the run of a record in its store: the freed bytes, and why it is left there.

        Args:
            folder: its configuration names the store.
            record: where the record was.
        """
        key = str(state.get("key", ""))
        try:
            tracking = tracking_of_run(folder)
            others = [path for path in self.owners.get(key.encode(), ()) if path != record.resolve() and path.exists()]
            if not key or others or tracking.type != "mlflow" or not knows_store(tracking.uri):
                return 0, ""
            runs = store_dir(folder) if (folder / "run.json").exists() else self.runs
            if tracking.uri is None and not (runs / "mlflow.db").exists():
                return 0, ""
            store = get_store(tracking, runs)
            own = None if tracking.uri is None else record.parent
            return sum(erase(store, run_id, own) for run_id in self._ids(store, key)), ""
        except ConfigError:  # its configuration is lost, so that nothing names the store
            return 0, ""
        except Exception as error:  # a store may raise anything
            return 0, f"the tracking store cannot be used ({store_fault(error)}); stackprop doctor deletes the rest later"


def erase_alone(runs: Path, run_id: str) -> int:
    """Delete a run of the local store whose folder is gone; returns the bytes that were freed.

    Raises:
        ConfigError: the store has no such run, or a folder has it.
    """
    if not (runs / "mlflow.db").exists():
        raise ConfigError(f"{run_id}: no run has this id, and there is no tracking store in {runs}")
    store = get_store(Tracking(), runs)
    found = next((run for run in store.listed() if run.run_id == run_id and run.active), None)
    if found is None:
        raise ConfigError(f"{run_id}: no run has this id, in {runs} and in its tracking store")
    owners = Deleter(runs).owners.get(found.key.encode())
    if owners:
        raise ConfigError(f"{run_id}: this is the run of {min(owners).parent}; delete that")
    return erase(store, run_id)


def _leave(job: Path) -> None:
    """A job that is deleted is not the best one of its sweep any more."""
    best = read_sweep(job.parent).get("best") or {}
    if best.get("job") == job.name:
        update_sweep(job.parent, {"best": None})


def _remove(folder: Path, runs: Path) -> str:
    """Remove the files of a run or a sweep; the mark is the last. Returns why something is left."""
    own = folder.resolve()
    below = own.is_relative_to(runs.resolve())
    jobs = {path.parent.name for name in ("run.json", MARK) for path in folder.glob(f"*/{name}")}
    others = [] if below else [path.name for path in folder.iterdir() if path.name not in OURS and path.name not in jobs]
    for path in sorted(folder.iterdir(), key=lambda path: path.name == MARK):
        if path.name in others:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    if others:
        return f"other files are left in it: {', '.join(sorted(others)[:5])}"
    folder.rmdir()
    return ""


def finish_all(runs: Path, marked: Iterable[Path]) -> Iterator[str]:
    """Finish the deletions that were interrupted; yields a line for each."""
    deleter = Deleter(runs)
    for folder in marked:
        if (folder / MARK).exists():
            done = deleter.finish(folder)
            yield f"left      {folder}: {done.left}" if done.left else f"deleted   {folder}: its deletion was interrupted"
