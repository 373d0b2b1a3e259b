"""The tracking store catches up with the folders of the runs: with what it missed, and with runs that died."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from framework.config import ConfigError
from framework.learner import TrainerOptions
from framework.mlflow_store import Store
from framework.reaping import reap
from framework.record import Place, begin_tracked, read_state, series_points
from framework.recording import Recorder
from framework.restoring import tracking_of_run, tree_of_run
from framework.runs import all_runs, is_finished
from framework.secrecy import masked, restored
from framework.trust import knows_store
from framework.writing import write_json

STRANGE = "its record names a store that you have not sent runs to from here ({}); it is sent with --trust, or while \
MLFLOW_TRACKING_URI names that store"


def end_lost(runs: Path) -> list[Path]:
    """End the runs whose process is gone, here and in the store."""

    def end(folder: Path, state: dict[str, Any]) -> None:
        state["tracked"] = False  # what its store did not get is sent by `refill`
        write_json(folder / "run.json", state)
        # A store that is down, or a record from elsewhere, must not stop whoever starts now; `refill` says what is wrong.
        with contextlib.suppress(Exception):
            tracking = tracking_of_run(folder)
            if tracking.type == "mlflow" and knows_store(tracking.uri):
                refill_run(folder, runs)

    return reap(runs, end)


def refill(runs: Path) -> tuple[list[Path], list[tuple[Path, str]]]:
    """Send every ended run that its store does not have in full.

    Returns:
        The folders that were sent, and those that could not be, with the reason.
    """
    sent, unsent = [], []
    for folder in all_runs(runs):
        state = read_state(folder)
        try:
            if state.get("status") != "running" and _is_missing(folder, state, runs):
                refill_run(folder, runs)
                sent.append(folder)
        except Exception as error:  # a store may raise anything; the others go on
            why = str(error) if isinstance(error, ConfigError) else f"{type(error).__name__}: {error}"
            unsent.append((folder, masked(" ".join(why.split()))[:300]))
    return sent, unsent


def _is_missing(folder: Path, state: Mapping[str, Any], runs: Path) -> bool:
    tracking = tracking_of_run(folder)
    if tracking.type != "mlflow":
        return False
    if not knows_store(tracking.uri):
        if state.get("tracked"):  # as it says; it is not ours to ask
            return False
        raise ConfigError(STRANGE.format(masked(str(tracking.uri))))
    if not state.get("tracked"):
        return True
    try:
        Store(tracking, runs).client.get_run(state["mlflow_run_id"])
    except Exception:  # the store is there and does not know the run, or it is not there
        return True
    return False


def refill_run(folder: Path, runs: Path) -> None:
    """Send one run: params and tags if the store has never seen it, the points it lacks, and its end.

    Raises:
        Exception: whatever the store raises.
    """
    tree, tracking, state = tree_of_run(folder), tracking_of_run(folder), read_state(folder)
    store = Store(tracking, runs)
    place = Place(folder, runs, state["name"], state["tags"])
    try:
        tracked = store.reopen(state.get("mlflow_run_id") or str(store.find(folder)))
    except Exception:  # the store was lost, or has never had the run
        tracked = begin_tracked(store, place, tree, str(state.get("config_hash")))
    size = (folder / "metrics.jsonl").stat().st_size if (folder / "metrics.jsonl").exists() else 0
    counts = (state["steps"], state["validations"])
    trainer = restored(tree.get("trainer") or {}, f"{folder}/config.yaml", "trainer")
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
    reason = f": {state['reason']}" if state.get("reason") else ""
    tracked.artifact(folder / "config.yaml")
    tracked.end(state.get("state", "FAILED"), {"stackprop.status": f"{state['status']}{reason}"})
    if tracked.lost:
        raise ConnectionError("the store cannot be used")
    write_json(folder / "run.json", {**state, "mlflow_run_id": tracked.run_id, "tracked": True})
