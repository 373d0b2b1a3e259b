"""Finds runs of the local store without a folder, and folders whose run was deleted in the UI."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from framework.core.reading import read_mapping
from framework.experiments.sync import Stores
from framework.tracking.folders import MARK, walk
from framework.tracking.run_dir import read_state, read_sweep

SHOWN = 5  # of each kind


def strays(runs: Path, stores: Stores) -> Iterator[str]:
    """A line for each run that is only in the store, or only in its folder, with the command that mends it.

    Args:
        stores: those that `sync_to_mlflow` used.
    """
    there = walk(runs)  # after the store was read: a run that began meanwhile has a record
    records = {folder: read_state(folder).get("key") for folder in there.records}
    keys = {*records.values()} | {read_sweep(sweep).get("key") for sweep in there.sweeps}
    keys |= {read_mapping(folder / MARK).get("key") for folder in there.marked}
    for tracking in stores.seen.values():
        if tracking.uri is not None:  # a server also has runs of other users and other folders
            continue
        with contextlib.suppress(Exception):  # a store that is down was reported before
            content = stores.of(tracking)
            gone = [run for run in content.runs if run.active and run.key and run.key not in keys]
            hint = "its folder is gone; stackprop delete {} deletes the rest"
            yield from shortened(f"gone      MLflow run '{run.name}': {hint.format(run.run_id)}" for run in gone)
            found = {folder: content.by_key.get(key, []) for folder, key in records.items() if key}
            removed = [folder for folder, known in found.items() if known and not any(run.active for run in known)]
            hint = "its MLflow run was deleted; stackprop delete {} deletes the rest, the UI restores {}"
            yield from shortened(f"unlisted  {folder}: {hint.format(folder, found[folder][0].run_id)}" for folder in removed)


def shortened(lines: Iterable[str]) -> Iterator[str]:
    """The first lines, and how many more there are."""
    every = list(lines)
    yield from every[:SHOWN]
    if len(every) > SHOWN:
        yield f"          and {len(every) - SHOWN} more"
