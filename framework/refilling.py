"""The tracking store catches up with the folders of the runs: with what it missed, and with runs that died."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from framework.allowance import patiently
from framework.learner import TrainerOptions
from framework.mlflow_store import opened
from framework.reaping import reap
from framework.record import Place, begin_tracked, read_state, series_points
from framework.recording import Recorder, Tracking, write_json
from framework.restoring import tracking_of_run, tree_of_run
from framework.runs import all_runs, is_finished


def end_lost(runs: Path) -> list[Path]:
    """End the runs whose process is gone, here and in the store."""

    def end(folder: Path, state: dict[str, Any]) -> None:
        state["tracked"] = False  # what its store did not get is sent by `refill`
        write_json(folder / "run.json", state)
        # A store that is down, or a record from elsewhere, must not stop whoever starts now; `refill` says what is wrong.
        with contextlib.suppress(Exception):
            if tracking_of_run(folder).type == "mlflow":
                refill_run(folder, runs)

    return reap(runs, end)


def refill(runs: Path) -> tuple[list[Path], list[tuple[Path, str]]]:
    """Send every ended run that its store does not have in full.

    Returns:
        The folders that were sent, and those that could not be, with the reason.
    """
    with patiently():
        return _refill(runs, Known(runs))


def _refill(runs: Path, known: Known) -> tuple[list[Path], list[tuple[Path, str]]]:
    sent, unsent = [], []
    for folder in all_runs(runs):
        state = read_state(folder)
        try:
            if state.get("status") != "running" and _is_missing(folder, state, known):
                refill_run(folder, runs)
                sent.append(folder)
        except Exception as error:  # a store may raise anything; the others go on
            unsent.append((folder, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"))
    return sent, unsent


class Known:
    """What stores have, each asked once for all runs.

    Args:
        runs: the folder of runs.
    """

    def __init__(self, runs: Path) -> None:
        self.runs, self.ids, self.down = runs, dict[Tracking, set[str]](), dict[Tracking, Exception]()

    def reach(self, tracking: Tracking) -> set[str]:
        """The ids of the runs of a store. One that cannot be reached is not tried again: a try may take many seconds.

        Raises:
            Exception: whatever the store raises.
        """
        if tracking in self.down:
            raise self.down[tracking]
        if tracking not in self.ids:
            try:
                self.ids[tracking] = opened(tracking, self.runs).run_ids()
            except Exception as error:
                self.down[tracking] = error
                raise
        return self.ids[tracking]

    def has(self, tracking: Tracking, run_id: str) -> bool:
        """Whether a store has a run."""
        if run_id in self.reach(tracking):
            return True
        try:  # it may be in an experiment of another name by now
            return bool(opened(tracking, self.runs).client.get_run(run_id))
        except Exception:
            return False


def _is_missing(folder: Path, state: Mapping[str, Any], known: Known) -> bool:
    """Whether its store lacks a run; an exception of any kind where that cannot be told."""
    tracking = tracking_of_run(folder)
    if tracking.type != "mlflow":
        return False
    known.reach(tracking)
    return not (state.get("tracked") and known.has(tracking, str(state.get("mlflow_run_id"))))


def refill_run(folder: Path, runs: Path) -> None:
    """Send one run: params and tags if the store has never seen it, the points it lacks, and its end.

    Raises:
        Exception: whatever the store raises.
    """
    tree, tracking, state = tree_of_run(folder), tracking_of_run(folder), read_state(folder)
    store = opened(tracking, runs)
    place = Place(folder, runs, state["name"], state["tags"])
    try:
        tracked = store.reopen(state.get("mlflow_run_id") or str(store.find(folder)))
    except Exception:  # the store was lost, or has never had the run
        tracked = begin_tracked(store, place, tree)
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
    recorder.sync()
    reason = f": {state['reason']}" if state.get("reason") else ""
    tracked.artifact(folder / "config.yaml")
    tracked.end(state.get("state", "FAILED"), {"stackprop.status": f"{state['status']}{reason}"})
    if tracked.lost:
        raise ConnectionError("the store cannot be used")
    write_json(folder / "run.json", {**state, "mlflow_run_id": tracked.run_id, "tracked": True})
