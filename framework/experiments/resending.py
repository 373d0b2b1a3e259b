"""Figures, model and page of runs that were sent to their store later, as they are logged when a run ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from framework.config.schema import Settings
from framework.core.errors import ConfigError, DataError
from framework.experiments import artifacts
from framework.experiments.experiment import prepare
from framework.experiments.loading import load, settings_of_run, tracking_of_run
from framework.tracking.folders import SWEEP
from framework.tracking.mlflow import NOTE, MlflowRun, MlflowStore, get_store
from framework.tracking.naming import about_of
from framework.tracking.run_dir import is_finished, read_state


def send_artifacts(folders: Iterable[Path], runs: Path) -> Iterator[str]:
    """Log what single runs lack in their store beside their metrics; yields a line for each run that has to stay without.

    Args:
        folders: runs that their store has. Jobs of a sweep are left out: only the best has figures, by its summary.
    """
    for folder in folders:
        if (folder.parent / SWEEP).exists() or not is_finished(folder):
            continue
        try:
            store = get_store(tracking_of_run(folder), runs)
            state = read_state(folder)
            run = store.client.get_run(state["mlflow_run_id"])
            settings = settings_of_run(folder)
            has_no_page = run.data.tags.get(NOTE, "") in ("", about_of(state).notes)  # the notes are there from the start
            if has_no_page and settings.study is None:  # a study has logged its own files
                log_again(folder, settings, store)
        except (ConfigError, DataError) as error:  # its code is not trusted, or its data are gone
            yield f"{folder}: its figures and model are not in the store ({error})"


def log_again(folder: Path, settings: Settings, store: MlflowStore) -> bool:
    """Log figures and model of an ended run; returns whether the store has them."""
    state = read_state(folder)
    metrics = {name: float(value) for name, value in state.get("metrics", {}).items()}
    known = store.find(state.get("key", "")) or state.get("mlflow_run_id")
    tracked = MlflowRun(store.client, known, store.allowance) if known else None  # the run stays ended
    data, scale = prepare(settings).measured
    trained, note = replace(load(folder), scale=scale), state.get("command") or folder.name
    artifacts.log_artifacts(folder, tracked, trained, data, metrics, note, settings.figures)
    return tracked is not None and not tracked.lost
