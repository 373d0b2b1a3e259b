"""Changes the name, the tags and the notes of runs and sweeps: first in the folder, then in the tracking store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from framework.core.errors import ConfigError
from framework.core.reading import read_bytes
from framework.core.trust import knows_store
from framework.core.writing import write_json
from framework.experiments.loading import tracking_of_run
from framework.tracking.edits import relabel
from framework.tracking.folders import Found
from framework.tracking.mlflow import get_store
from framework.tracking.naming import (
    Kind,
    about_of,
    changed,
    fault_of_name,
    fault_of_notes,
    fault_of_tag,
    recorded_overrides,
    run_name,
    text_of_tag,
)
from framework.tracking.run_dir import RUNS, SWEEPS, jobs_of, read_state, read_sweep, store_dir
from framework.tracking.store_errors import store_fault

SENT = "about_sent"  # in a record: what the store has, if the last change did not reach it


def checked(given: Mapping[str, str | None]) -> dict[str, str | None]:
    """Changes `name`, `notes`, `tags.KEY` -> value, with the texts as they are recorded.

    Raises:
        ConfigError: a value is not allowed.
    """
    found = dict[str, str | None]()
    for key, value in given.items():
        fault = ""
        if value is None:
            pass
        elif key.startswith("tags."):
            fault = fault_of_tag(key.removeprefix("tags."), value)
        else:
            fault = fault_of_name(value) if key == "name" else fault_of_notes(value)
        if fault:
            raise ConfigError(f"{key}: {fault}")
        found[key] = value if value is None or key == "name" else text_of_tag(value)
    return found


def change(folder: Path, changes: Mapping[str, str | None]) -> list[str]:
    """Change what the user says about a run, or about a sweep; the jobs of a sweep have its tags and notes too.

    Args:
        changes: from `checked`.

    Returns:
        Why the store does not have the change yet, a line for each reason; `stackprop doctor` sends it.

    Raises:
        ConfigError: the record is missing or not valid.
    """
    kind = kind_of(folder)
    _record(folder, kind, changes)
    folders = [(folder, kind)]
    if kind is SWEEPS:
        own = {key: value for key, value in changes.items() if key != "name"}
        jobs = [job for job in jobs_of(folder) if read_state(job)] if own else []
        for job in jobs:
            _record(job, RUNS, own)
        folders += [(job, RUNS) for job in jobs]
    return list(dict.fromkeys(why for place, of in folders if (why := _tried(place, of))))


def kind_of(folder: Path) -> Kind:
    """Whether a folder holds a run or a sweep.

    Raises:
        ConfigError: its record is not valid.
    """
    kind = RUNS if (folder / RUNS.file).is_file() else SWEEPS
    if not kind.read(folder):
        raise ConfigError(f"{folder / kind.file}: not a valid record")
    return kind


def _record(folder: Path, kind: Kind, changes: Mapping[str, str | None]) -> None:
    state = dict(kind.read(folder))
    before, after = about_of(state), changed(about_of(state), changes)
    state |= {SENT: state.get(SENT, before.entry), "about": after.entry}
    if kind is RUNS and "name" in changes:
        state["name"] = after.name or run_name(recorded_overrides(state) or []) or folder.resolve().name
    write_json(folder / kind.file, state)


def _tried(folder: Path, kind: Kind) -> str:
    try:
        send(folder, kind)
    except Exception as error:  # a store may raise anything
        return store_fault(error)
    return ""


def send(folder: Path, kind: Kind) -> bool:
    """Send a change that the store does not have yet; returns whether there was one.

    Raises:
        ConfigError: the store is one to which this user has not sent runs.
        Exception: an error of the store.
    """
    state = kind.read(folder)
    if SENT not in state or state.get("status") == "running":  # a run that is training sends it at its end
        return False
    before = about_of({"about": state[SENT]})
    tracking, runs = tracking_of_run(folder if kind is RUNS else _first_job(folder)), store_of(folder, kind)
    there = tracking.uri is not None or (runs / "mlflow.db").exists()  # a store that does not exist yet gets all later
    if tracking.type == "mlflow" and there and state.get("key"):
        if not knows_store(tracking.uri):
            raise ConfigError(f"{folder}: its record names a store to which you have not sent runs; only its folder changed")
        store, after = get_store(tracking, runs), about_of(state)
        shown = str(state.get("name")) if kind is RUNS else after.name or folder.name
        for run_id in store.ids_of(str(state["key"])):
            relabel(store, run_id, before, after, shown)
    write_json(folder / kind.file, {key: value for key, value in kind.read(folder).items() if key != SENT})
    return True


def _may_wait(folder: Path) -> bool:
    """Whether the text of a record may hold a change that waits, before it is parsed."""
    try:
        return SENT.encode() in read_bytes(folder / RUNS.file)
    except (OSError, ValueError):
        return False


def store_of(folder: Path, kind: Kind) -> Path:
    """The folder of runs of a run or a sweep."""
    return store_dir(folder if kind is RUNS else _first_job(folder))


def _first_job(sweep: Path) -> Path:
    found = next(iter(jobs_of(sweep)), None)
    if found is None:
        raise ConfigError(f"{sweep}: it has no job any more")
    return found


def send_all(found: Found) -> Iterator[str]:
    """Send every change that a store does not have yet; yields a line for each."""
    waiting = [(folder, RUNS) for folder in found.runs if _may_wait(folder) and SENT in read_state(folder)]
    waiting += [(sweep, SWEEPS) for sweep in found.sweeps if SENT in read_sweep(sweep)]
    for folder, kind in waiting:
        why = _tried(folder, kind)
        if why:
            yield f"unsent    the name, tags and notes of {folder}: {why}"
        elif SENT not in kind.read(folder):
            yield f"sent      the name, tags and notes of {folder}"
