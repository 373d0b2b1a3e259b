"""A task that a cluster starts again, or whose jobs an earlier launch has started: nothing is trained twice.

Jobs that have ended keep their results. Jobs with a checkpoint continue from it. The others start again.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from framework.core.callback import Callback
from framework.core.errors import CheckpointError
from framework.core.signals import StopRequest
from framework.experiments.experiment import Experiment
from framework.experiments.runner import JobResult, RunFailed, run_stack
from framework.sweeps.manifest import set_aside
from framework.tracking.config_hash import config_hash
from framework.tracking.run_dir import RunLocation, is_finished, read_state
from framework.tracking.run_record import read_checkpoint

INTERRUPTED = ("killed", "lost", "running")


def continues(folder: Path, tree: Any) -> bool:
    """Whether a job was interrupted and can continue from its checkpoint.

    Args:
        tree: its configuration.
    """
    state = read_state(folder)
    if state.get("status") not in INTERRUPTED or state.get("config_hash") != config_hash(tree):
        return False
    try:
        read_checkpoint(folder)
    except (CheckpointError, OSError):
        return False
    return (folder / "metrics.jsonl").is_file() and {"name", "tags"} <= state.keys()


def has_ended(folder: Path, tree: Any) -> bool:
    """Whether a job has ended with a result."""
    return is_finished(folder) and read_state(folder).get("config_hash") == config_hash(tree)


def run_members(
    experiments: Sequence[Experiment],
    places: Sequence[RunLocation],
    callbacks: Sequence[Callback] = (),
    stop: StopRequest | None = None,
    kept: Sequence[str] = (),
) -> dict[int, JobResult | RunFailed]:
    """Train the jobs of a stack that have not ended yet.

    Args:
        kept: the files of a job that are no results.
    """
    trees = [experiment.settings.tree for experiment in experiments]
    left = [i for i, place in enumerate(places) if not has_ended(place.folder, trees[i])]
    if not left:
        return {}
    resumed = [k for k, i in enumerate(left) if continues(places[i].folder, trees[i])]
    for k, i in enumerate(left):
        if k not in resumed:
            set_aside(places[i], experiments[i].settings.tracking, kept)
    results = run_stack([experiments[i] for i in left], [places[i] for i in left], callbacks, None, resumed, stop)
    return dict(zip(left, results, strict=True))


def saved_steps(folders: Sequence[Path]) -> int:
    """The steps that need not be repeated."""
    return sum(_saved(folder) for folder in folders)


def _saved(folder: Path) -> int:
    if is_finished(folder):
        return int(read_state(folder).get("steps", 0)) + 1
    try:
        return int(read_checkpoint(folder)[0][1]["step"])
    except (CheckpointError, OSError):
        return 0
