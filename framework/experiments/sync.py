"""Synchronizes the tracking store with the run folders: missing data, and interrupted runs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from framework.config.options import TrainerOptions
from framework.core.errors import ConfigError
from framework.core.reading import read_bytes
from framework.core.secrets import masked, restored
from framework.core.trust import knows_store
from framework.core.writing import write_json
from framework.experiments.loading import tracking_of_run
from framework.tracking.allowance import patiently
from framework.tracking.folders import walk
from framework.tracking.locks import claimed, close_orphans, lost_state
from framework.tracking.mlflow import MlflowStore, RunListing, get_store
from framework.tracking.options import Tracking
from framework.tracking.origins import tags as plugin_tags
from framework.tracking.owner import is_alive, this_process
from framework.tracking.recorder import MetricsRecorder
from framework.tracking.run_dir import RunLocation, is_finished, read_state, tree_of_run
from framework.tracking.run_record import begin_tracked, send_end, send_files, series_points
from framework.tracking.store_errors import store_fault

StoreKey = tuple[str | None, str]
NEEDED = ("name", "tags", "steps", "validations")  # of `run.json`, to send a run
STRANGE = "its record names a store to which you have not sent runs before ({}); use --trust to send it, or set \
MLFLOW_TRACKING_URI to that store"


def store_key(tracking: Tracking) -> StoreKey:
    """A key for a store and its experiment."""
    return tracking.uri, tracking.experiment


def close_lost_runs(runs: Path, dead: Collection[Path] = ()) -> list[Path]:
    """End the runs whose process was killed, here and in the store.

    Args:
        dead: folders of runs whose process is known to have ended, on another machine for example.
    """
    down = set[StoreKey]()

    def end(folder: Path, state: dict[str, Any]) -> None:
        write_json(folder / "run.json", {**state, "tracked": False})  # `sync_to_mlflow` sends the rest
        # A store that is down, or a third-party record, must not stop a new run; `sync_to_mlflow` reports the error.
        with contextlib.suppress(ConfigError):
            tracking = tracking_of_run(folder)
            if tracking.type != "mlflow" or not knows_store(tracking.uri) or store_key(tracking) in down:
                return
            try:
                sync_run(folder, runs)
            except Exception:
                down.add(store_key(tracking))  # so that a hundred runs do not wait for it

    return close_orphans(runs, end, dead)


def close_unlocked(runs: Path, records: Iterable[Path]) -> list[Path]:
    """End the runs that are recorded as running but not locked by any process: their locks were lost, with a full disk or a
    power failure. Their process is dead, or is of another machine and has written nothing for two minutes.

    Raises:
        OSError: a run belongs to another user.
    """
    said = [f for f in records if _may_run(f) and read_state(f).get("status") == "running"]
    alive = claimed(runs)  # read after the states: a run that ends meanwhile records it before it releases its lock
    said = [f for f in said if alive is not None and f.resolve() not in alive]
    lost = [f for f in said if (state := read_state(f)).get("status") == "running" and not _goes_on(f, state)]
    for folder in lost:
        write_json(folder / "run.json", {**lost_state(read_state(folder)), "tracked": False})  # `sync_to_mlflow` sends it
    return lost


def _goes_on(folder: Path, state: Mapping[str, Any]) -> bool:
    """Whether the process of a record without a marker may still run it; this one does not."""
    files = [folder / name for name in ("run.json", "metrics.jsonl", "checkpoint.npz")]
    written = max(file.stat().st_mtime for file in files if file.exists())
    process = state.get("process")
    ours = process == this_process()
    return isinstance(process, dict) and not ours and is_alive(process, time.time() - written)


def _may_run(folder: Path) -> bool:
    """Whether the text of a record may be that of a running run, before it is parsed."""
    try:
        return b'"running"' in read_bytes(folder / "run.json")
    except (OSError, ValueError):
        return False


class StoreContent:
    """A store and all its runs, deleted ones included."""

    def __init__(self, store: MlflowStore) -> None:
        self.store, self.runs = store, store.listed()
        self.by_key: dict[str, list[RunListing]] = {}
        self.by_id = {run.run_id: run for run in self.runs}
        for run in self.runs:
            self.by_key.setdefault(run.key, []).append(run)

    def of(self, state: Mapping[str, Any]) -> list[RunListing]:
        """The runs of a record; by id if the record has no key."""
        if "key" in state:
            return self.by_key.get(state["key"], [])
        return [run for run in [self.by_id.get(str(state.get("mlflow_run_id")))] if run]

    def has(self, state: Mapping[str, Any]) -> bool:
        """Whether the run of a record has ended here as recorded; a deleted run stays deleted."""
        found = self.of(state)
        active = [run for run in found if run.active]
        return any(run.status == state.get("state") for run in active) if active else bool(found)


class Stores:
    """The stores of the runs in a folder, and their runs: read once, as a thousand queries would take a minute.

    Attributes:
        seen: stores with a run of these records.
    """

    def __init__(self, runs: Path) -> None:
        self.runs = runs
        self.seen: dict[StoreKey, Tracking] = {}
        if (runs / "mlflow.db").exists():
            self.seen[store_key(Tracking())] = Tracking()
        self.known: dict[StoreKey, StoreContent | Exception] = {}

    def of(self, tracking: Tracking) -> StoreContent:
        """The content of a store.

        Raises:
            Exception: an error of the store; it is not queried again.
        """
        if store_key(tracking) not in self.known:
            try:
                self.known[store_key(tracking)] = StoreContent(get_store(tracking, self.runs))
            except Exception as error:
                self.known[store_key(tracking)] = error
        found = self.known[store_key(tracking)]
        if isinstance(found, Exception):
            raise found
        return found


def sync_to_mlflow(
    runs: Path, folders: Iterable[Path] | None = None, stores: Stores | None = None
) -> tuple[list[Path], list[tuple[Path, str]]]:
    """Send every ended run that its store does not have completely.

    Args:
        folders: of the runs; None: all runs.
        stores: their content.

    Returns:
        The folders that were sent, and those that could not be sent, with the reason.
    """
    with patiently():
        return _sync(runs, folders, stores or Stores(runs))


def _sync(runs: Path, folders: Iterable[Path] | None, stores: Stores) -> tuple[list[Path], list[tuple[Path, str]]]:
    sent, unsent = [], []
    busy = claimed(runs) or set()  # their process will send them
    for folder in walk(runs).records if folders is None else folders:
        state = read_state(folder)
        try:
            if not state:
                raise ConfigError("run.json cannot be read; the run's metrics are in metrics.jsonl")
            tracking = tracking_of_run(folder)
            if tracking.type != "mlflow":
                continue
            if not knows_store(tracking.uri):
                if state.get("tracked"):  # as recorded; this store may not be queried
                    continue
                raise ConfigError(STRANGE.format(masked(str(tracking.uri))))
            stores.seen[store_key(tracking)] = tracking
            if state["status"] == "running" or (busy and folder.resolve() in busy):
                continue
            if not stores.of(tracking).has(state) or not state.get("tracked"):  # a store that is down is queried once
                sync_run(folder, runs)
                sent.append(folder)
        except Exception as error:  # a store may raise anything; the others continue
            unsent.append((folder, store_fault(error)))
    return sent, unsent


def sync_run(folder: Path, runs: Path) -> None:
    """Send one run: params and tags if the store does not know it, the missing points, and its end.

    Raises:
        ConfigError: its record is incomplete.
        Exception: an error of the store.
    """
    tree, tracking, state = tree_of_run(folder), tracking_of_run(folder), read_state(folder)
    for key in NEEDED:
        if key not in state:
            raise ConfigError(f"{folder}/run.json: '{key}' is missing")
    place = RunLocation(folder, runs, state["name"], state["tags"])
    tracked = begin_tracked(get_store(tracking, runs), place, tree, state)
    size = (folder / "metrics.jsonl").stat().st_size if (folder / "metrics.jsonl").exists() else 0
    counts = (state["steps"], state["validations"])
    trainer = restored(tree.get("trainer") or {}, f"{folder}/config.yaml", "trainer")
    every = trainer.get("probe_every", TrainerOptions().probe_every)
    stops = (trainer.get("early_stopping") or {}).get("patience") is not None
    points = series_points(tracking, trainer.get("keep") == "best" or (trainer.get("keep") is None and stops))
    recorder = MetricsRecorder(folder, *counts, tracked, points, upto=size, probe_every=every)
    if is_finished(folder):  # an interrupted run may be resumed; its last point is not final
        recorder.on_end()
        kept = state.get("kept", {})
        if kept.get("step") != kept.get("steps"):
            values = {name: float(value) for name, value in state["metrics"].items() if not name.startswith("test/")}
            recorder.restored(kept["steps"], values)
    recorder.sync()
    send_files(tracked, folder, bool(plugin_tags(folder)))
    send_end(tracked, state)
    if tracked.lost:
        raise ConnectionError("the store cannot be used")
    write_json(folder / "run.json", {**state, "mlflow_run_id": tracked.run_id, "tracked": True})


def repair(runs: Path, stores: Stores) -> Iterator[str]:
    """Delete duplicate runs in the stores, and end runs without a running record; yields a line for each change.

    Args:
        stores: those that `sync_to_mlflow` used.
    """
    for tracking in stores.seen.values():
        with contextlib.suppress(Exception):  # a store that is down was reported before
            content = stores.of(tracking)
            yield from _without_doubles(content)
            if tracking.uri is None:  # a server also has runs of other users
                yield from _without_orphans(content, runs)


def _without_doubles(content: StoreContent) -> Iterator[str]:
    """Delete duplicates; of the runs with the same key, the one with most points stays."""
    for key, runs in content.by_key.items():
        same = [run for run in runs if run.active]
        if not key or len(same) < 2:
            continue
        kept = max(same, key=lambda run: content.store.points_of(run.run_id))
        for run in same:
            if run is not kept:
                content.store.client.delete_run(run.run_id)
                yield f"deleted   the MLflow run {run.run_id}: a duplicate of '{run.name}'"


def _without_orphans(content: StoreContent, runs: Path) -> Iterator[str]:
    """End the running runs in a store that no record continues."""
    running = [run for run in content.runs if run.active and run.status == "RUNNING"]
    busy = claimed(runs)  # read after the store: a record exists before its run in the store
    if not running or busy is None or not all(map(read_state, busy)):
        return  # a lock that cannot be read belongs to another user, who may be running it
    folders = {folder: read_state(folder) for folder in walk(runs).records}
    going = [state for folder, state in folders.items() if state.get("status") == "running" or folder.resolve() in busy]
    alive, client = {run.run_id for state in going for run in content.of(state)}, content.store.client
    for run in running:
        if run.run_id in alive:
            continue
        now = client.get_run(run.run_id).info
        if now.lifecycle_stage == "active" and now.status == "RUNNING":
            client.set_tag(run.run_id, "stackprop.status", "lost: its process was killed")
            client.set_terminated(run.run_id, "FAILED")
            yield f"ended     the MLflow run {run.run_id}: no process continues '{run.name}'"
