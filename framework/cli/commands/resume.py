"""`stackprop resume RUN`: resume a run from its last checkpoint."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from framework.core.errors import ConfigError
from framework.core.secrets import masked
from framework.core.trust import knows_store
from framework.core.writing import check_no_links
from framework.experiments.experiment import prepare
from framework.experiments.loading import TRUST, settings_of_run, tracking_of_run
from framework.experiments.progress import ProgressBar, report
from framework.experiments.runner import run
from framework.experiments.sync import STRANGE
from framework.tracking.run_dir import RunLocation, find_run, is_finished, read_state, runs_dir, store_dir


def main(arguments: Sequence[str]) -> int:
    """Continue the training, in the same folder and the same MLflow run."""
    parser = argparse.ArgumentParser("stackprop resume", description=__doc__)
    parser.add_argument("run", help="a run's folder, name or MLflow id, or: last, best")
    parser.add_argument("overrides", nargs="*", help=argparse.SUPPRESS)
    parser.add_argument("--trust", action="store_true", help=TRUST)
    given = parser.parse_args(arguments)
    folder = find_run(given.run, runs_dir())
    state = read_state(folder)
    check_no_changes(folder, state, given.overrides)
    check_no_links(folder)
    if not (folder / "checkpoint.npz").exists():
        raise ConfigError(f"{folder}: it has no checkpoint; trainer.checkpoint_every=N writes one every N steps")
    if not {"name", "tags"} <= state.keys():
        raise ConfigError(f"{folder}/run.json: not a valid record; resuming needs it")
    place = RunLocation(folder, store_dir(folder), state["name"], state["tags"], state.get("command", ""))
    tracking = tracking_of_run(folder)
    if tracking.type == "mlflow" and not given.trust and not knows_store(tracking.uri):
        raise ConfigError(f"{folder}: {STRANGE.format(masked(str(tracking.uri)))}")
    experiment = prepare(settings_of_run(folder, trust=given.trust))
    experiment.check_tier()
    display = ProgressBar(experiment.steps)
    try:
        result = run(experiment, place, [display], resume=True)
    finally:
        display.close()
    report(result, tracked=experiment.settings.tracking.type == "mlflow")
    return 0


def check_no_changes(folder: Path, state: Mapping[str, Any], overrides: Sequence[str]) -> None:
    """Check that a run can be resumed unchanged.

    Raises:
        ConfigError: the run has ended, or its configuration would change.
    """
    longer = (
        f"for more epochs start a new run from its weights: stackprop model.init_from={folder} trainer.epochs=N and the "
        "other overrides of this run; the optimizer's state, the schedule and the order of examples start again"
    )
    if is_finished(folder):
        raise ConfigError(f"{folder}: the run has ended ({state['status']}); it cannot be resumed; {longer}")
    if overrides:
        raise ConfigError(f"{' '.join(overrides)}: a run is resumed unchanged; {longer}")
