"""The tracking store catches up with the folders of the runs: with what it missed, and with runs that died."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from framework.config import ConfigError
from framework.learner import TrainerOptions
from framework.mlflow_store import KEY, Store, opened
from framework.reaping import claimed, lost, reap
from framework.record import Place, begin_tracked, read_state, send_end, series_points
from framework.recording import Recorder, Tracking, write_json
from framework.restoring import tracking_of_run, tree_of_run
from framework.runs import all_records, is_finished

NEEDED = ("name", "tags", "steps", "validations")  # of `run.json`, to send a run


def end_lost(runs: Path) -> list[Path]:
    """End the runs whose process is gone, here and in the store."""
    down = set[tuple[str | None, str]]()

    def end(folder: Path, state: dict[str, Any]) -> None:
        write_json(folder / "run.json", {**state, "tracked": False})  # what its store did not get is sent by `refill`
        # A store that is down, or a record from elsewhere, must not stop whoever starts now; `refill` says what is wrong.
        with contextlib.suppress(ConfigError):
            tracking = tracking_of_run(folder)
            where = tracking.uri, tracking.experiment
            try:
                if tracking.type == "mlflow" and where not in down:
                    refill_run(folder, runs)
            except ConfigError:
                raise
            except Exception:
                down.add(where)  # a hundred runs do not wait for it

    return reap(runs, end)


def end_unclaimed(runs: Path) -> list[Path]:
    """End the runs that no process calls its own, although they say that they run: their claims were lost, with a disk that
    was full or a power cut. `refill` sends them. Those of another user stay as they are.
    """
    said = [folder for folder in all_records(runs) if read_state(folder).get("status") == "running"]
    alive = claimed(runs)  # after they were asked: one that ends meanwhile says so before it gives up its claim
    said = [f for f in said if alive is not None and f.resolve() not in alive and read_state(f).get("status") == "running"]
    said = [folder for folder in said if os.access(folder, os.W_OK)]
    for folder in said:
        write_json(folder / "run.json", {**lost(read_state(folder)), "tracked": False})
    return said


class Stores:
    """The stores of the runs in a folder, and what each has: read at once, as a thousand questions would take a minute."""

    def __init__(self, runs: Path) -> None:
        self.runs = runs
        self.seen: dict[tuple[str | None, str], Tracking] = {}
        if (runs / "mlflow.db").exists():
            self.seen[None, Tracking().experiment] = Tracking()
        self.known: dict[tuple[str | None, str], tuple[Store, list[Any]] | Exception] = {}

    def of(self, tracking: Tracking) -> tuple[Store, list[Any]]:
        """A store and all its runs, those that somebody deleted too.

        Raises:
            Exception: whatever the store raises, without being asked again.
        """
        where = tracking.uri, tracking.experiment
        if where not in self.known:
            try:
                store = opened(tracking, self.runs)
                self.known[where] = store, store.search("", deleted=True)
            except Exception as error:
                self.known[where] = error
        found = self.known[where]
        if isinstance(found, Exception):
            raise found
        return found

    def has(self, tracking: Tracking, state: Mapping[str, Any]) -> bool:
        """Whether the run of a record has ended in its store as the record says; one that somebody deleted is left so."""
        found = [run for run in self.of(tracking)[1] if is_of(run, state)]
        active = [run for run in found if is_active(run)]
        return any(run.info.status == state.get("state") for run in active) if active else bool(found)


def is_active(run: Any) -> bool:
    """Whether nobody deleted it."""
    return bool(run.info.lifecycle_stage == "active")


def is_of(run: Any, state: Mapping[str, Any]) -> bool:
    """Whether a run of a store is that of a record; by its id for a record that was made before there were keys."""
    if "key" in state:
        return bool(run.data.tags.get(KEY) == state["key"])
    return bool(run.info.run_id == state.get("mlflow_run_id"))


def refill(
    runs: Path, folders: Iterable[Path] | None = None, stores: Stores | None = None
) -> tuple[list[Path], list[tuple[Path, str]]]:
    """Send every ended run that its store does not have in full.

    Args:
        folders: of the runs to look at; None: all that there are.
        stores: what they have.

    Returns:
        The folders that were sent, and those that could not be, with the reason.
    """
    sent, unsent, stores = [], [], stores or Stores(runs)
    busy = claimed(runs) or set()  # their process is about to send them
    for folder in all_records(runs) if folders is None else folders:
        state = read_state(folder)
        try:
            if not state:
                raise ConfigError("run.json cannot be read; what the run measured is in metrics.jsonl")
            tracking = tracking_of_run(folder)
            if tracking.type == "mlflow":
                stores.seen[tracking.uri, tracking.experiment] = tracking
            if state["status"] == "running" or tracking.type != "mlflow" or folder.resolve() in busy:
                continue
            if not stores.has(tracking, state) or not state.get("tracked"):  # one that is down is asked once
                refill_run(folder, runs)
                sent.append(folder)
        except Exception as error:  # a store may raise anything; the others go on
            what = "" if isinstance(error, ConfigError) else f"{type(error).__name__}: "
            unsent.append((folder, f"{what}{' '.join(str(error).split())[:200]}"))
    return sent, unsent


def refill_run(folder: Path, runs: Path) -> None:
    """Send one run: params and tags if the store has never seen it, the points it lacks, and its end.

    Raises:
        ConfigError: its record is not whole.
        Exception: whatever the store raises.
    """
    tree, tracking, state = tree_of_run(folder), tracking_of_run(folder), read_state(folder)
    for key in NEEDED:
        if key not in state:
            raise ConfigError(f"{folder}/run.json: '{key}' is missing")
    place = Place(folder, runs, state["name"], state["tags"])
    tracked = begin_tracked(opened(tracking, runs), place, tree, state)
    size = (folder / "metrics.jsonl").stat().st_size if (folder / "metrics.jsonl").exists() else 0
    counts = (state["steps"], state["validations"])
    trainer = tree.get("trainer") or {}
    every = trainer.get("probe_every", TrainerOptions().probe_every)
    stops = (trainer.get("early_stopping") or {}).get("patience") is not None
    points = series_points(tracking, trainer.get("keep") == "best" or (trainer.get("keep") is None and stops))
    recorder = Recorder(folder, *counts, tracked, points, upto=size, probe_every=every)
    if is_finished(folder):  # one that died may be resumed, and its last point would not be the last
        recorder.ended()
        kept = state.get("kept", {})
        if kept.get("step") != kept.get("steps"):
            values = {name: float(value) for name, value in state["metrics"].items() if not name.startswith("test/")}
            recorder.restored(kept["steps"], values)
    recorder.close()
    send_end(tracked, folder, state)
    if tracked.lost:
        raise ConnectionError("the store cannot be used")
    write_json(folder / "run.json", {**state, "mlflow_run_id": tracked.run_id, "tracked": True})


def repair(runs: Path, stores: Stores) -> Iterator[str]:
    """Let no record have two runs in its store, and no run go on there without a record; a line for each change.

    Args:
        stores: those that `refill` met.
    """
    for tracking in stores.seen.values():
        with contextlib.suppress(Exception):  # one that is down; who has something to send there has been told
            store, found = stores.of(tracking)
            active = [run for run in found if is_active(run)]
            yield from _without_doubles(store, active)
            if tracking.uri is None:  # a server has others' runs too, with folders of their own
                yield from _without_orphans(store, active, runs)


def _without_doubles(store: Store, active: Sequence[Any]) -> Iterator[str]:
    """Of those with the same key the run with most points stays."""
    by_key: dict[str, list[Any]] = {}
    for run in active:
        by_key.setdefault(run.data.tags.get(KEY, ""), []).append(run)
    for key, same in by_key.items():
        kept = max(same, key=store.points_of) if key and len(same) > 1 else None
        for run in same if kept else ():
            if run is not kept:
                store.client.delete_run(run.info.run_id)
                yield f"deleted   the MLflow run {run.info.run_id}: '{run.info.run_name}' was there twice"


def _without_orphans(store: Store, active: Sequence[Any], runs: Path) -> Iterator[str]:
    """What no record goes on with has ended."""
    busy = claimed(runs)  # asked after the store was: a record is there before its run is in the store
    if busy is None or not all(map(read_state, busy)):
        return  # somebody else's, who may be at it
    folders = {folder: read_state(folder) for folder in all_records(runs)}
    going = [state for folder, state in folders.items() if state.get("status") == "running" or folder.resolve() in busy]
    for run in active:
        if run.info.status != "RUNNING" or any(is_of(run, state) for state in going):
            continue
        now = store.client.get_run(run.info.run_id)
        if is_active(now) and now.info.status == "RUNNING":
            store.client.set_tag(run.info.run_id, "stackprop.status", "lost: its process is gone")
            store.client.set_terminated(run.info.run_id, "FAILED")
            yield f"ended     the MLflow run {run.info.run_id}: no process goes on with '{run.info.run_name}'"
