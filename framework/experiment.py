"""A judged configuration becomes data, a network, a training and a record of it."""

from __future__ import annotations

import functools
import hashlib
import json
import math
import subprocess
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

import framework
from framework.arrays import DeviceError, array_module
from framework.assembling import assemble
from framework.config import ConfigError, Settings
from framework.data import Data
from framework.learner import Learner
from framework.mlflow_store import Store, TrackedRun, flattened
from framework.recording import Recorder, write_json
from framework.streams import generator
from framework.training import Observer, Outcome, train


@dataclass(frozen=True)
class Place:
    """Where a run is written, and what it is known by.

    Attributes:
        folder: the run's own folder.
        runs: the folder of all runs, with the tracking store.
        name: what the run is called in the UI.
        tags: the sweep it belongs to.
    """

    folder: Path
    runs: Path
    name: str
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """What a run gives back.

    Attributes:
        status: finished, stopped_early or diverged; reason says more.
        metrics: the last value of everything measured, test/... included.
        outcome: the training's outcome, weights included.
        folder: where everything is written.
    """

    status: str
    reason: str
    metrics: dict[str, float]
    seconds: float
    outcome: Outcome
    folder: Path


class RunFailed(RuntimeError):  # noqa: N818
    """A run did not reach its end; the message says why, its folder has the rest."""


def load_data(settings: Settings) -> Data:
    """The data set, drawn from `dataset.seed` alone."""
    return settings.dataset.load(generator(settings.dataset_seed, "dataset"))


@dataclass(frozen=True)
class Experiment:
    """Settings that have met their data: everything is there, nothing is recorded yet.

    Attributes:
        xp: the array module.
        steps, validations: how many a training that is not stopped early will have.
    """

    settings: Settings
    xp: Any
    data: Data
    learner: Learner
    steps: int
    validations: int


def prepare(settings: Settings) -> Experiment:
    """Load the data and put the learner together.

    Raises:
        ConfigError: the device cannot be used, or the settings and the data do not go together.
    """
    try:
        xp = array_module(settings.device)
    except DeviceError as error:
        raise ConfigError(f"device: {settings.device!r} cannot be used here: {error}") from error
    data = load_data(settings)
    learner = assemble(settings, data)
    if settings.trainer.early_stopping.patience and "val" not in data.splits:
        raise ConfigError("trainer.early_stopping.patience: the data set has no validation split to watch")
    return Experiment(settings, xp, data, learner, *expected(settings, data))


def run(experiment: Experiment, place: Place, observers: Sequence[Observer] = ()) -> Result:
    """Train and record.

    Raises:
        RunFailed: the training diverged and `trainer.on_divergence` is fail, or something broke; the record says so.
    """
    settings, record = experiment.settings, Record(experiment, place)
    started = time.perf_counter()
    try:
        outcome = train(
            [experiment.learner],
            [experiment.data],
            [settings.seed],
            xp=experiment.xp,
            dtype=settings.dtype,
            observers=[record.recorder, *observers],
        )[0]
    except KeyboardInterrupt as stop:
        record.end("killed", f"stopped by {stop or 'Ctrl-C'}", "KILLED", {})
        raise
    except Exception as error:
        (place.folder / "traceback.txt").write_text(traceback.format_exc(), encoding="utf-8")
        record.end("failed", f"{type(error).__name__}: {error}", "FAILED", {})
        raise RunFailed(f"{type(error).__name__}: {error} (traceback in {place.folder}/traceback.txt)") from error
    failed = outcome.status == "diverged" and settings.trainer.on_divergence == "fail"
    reason = f"{outcome.reason} at step {outcome.step}" if outcome.status == "diverged" else outcome.reason
    record.end(outcome.status, reason, "FAILED" if failed else "FINISHED", outcome.metrics)
    if failed:
        raise RunFailed(f"diverged: {reason} (trainer.on_divergence=record makes this a result)")
    return Result(outcome.status, reason, outcome.metrics, time.perf_counter() - started, outcome, place.folder)


class Record:
    """One run's folder and its run in the tracking store, from begin to end."""

    def __init__(self, experiment: Experiment, place: Place) -> None:
        settings = experiment.settings
        self.settings, self.place = settings, place
        place.folder.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(settings.tree, sort_keys=False, allow_unicode=True)
        (place.folder / "config.yaml").write_text(text, encoding="utf-8")
        self.tracked = self._begin() if settings.tracking.type == "mlflow" else None
        self.state: dict[str, Any] = {"status": "running", "started": time.time(), "name": place.name}
        self.state |= {"mlflow_run_id": self.tracked.run_id if self.tracked else None, **place.tags}
        write_json(place.folder / "run.json", self.state)
        counts = (experiment.steps, experiment.validations)
        self.recorder = Recorder(place.folder, *counts, self.tracked, settings.tracking.max_points)

    def _begin(self) -> TrackedRun:
        store = Store(self.settings.tracking, self.place.runs)
        tags = {
            "stackprop.config_hash": config_hash(self.settings.tree),
            "stackprop.version": framework.__version__,
            "stackprop.status": "running",
            "stackprop.folder": str(self.place.folder),
            **self.place.tags,
        }
        commit = git_commit()
        if commit:
            tags |= {"stackprop.git_commit": commit, "mlflow.source.git.commit": commit}
        return store.begin(self.place.name, dict(flattened(self.settings.tree)), tags)

    def end(self, status: str, reason: str, state: str, metrics: Mapping[str, float]) -> None:
        """Write down how it ended, here and in the store."""
        self.recorder.close()
        last = {name: value if math.isfinite(value) else str(value) for name, value in metrics.items()}
        self.state |= {"status": status, "reason": reason, "ended": time.time(), "metrics": last}
        write_json(self.place.folder / "run.json", self.state)
        if self.tracked:
            self.tracked.tag("stackprop.status", f"{status}: {reason}" if reason else status)
            self.tracked.artifact(self.place.folder / "config.yaml")
            self.tracked.end(state)


def expected(settings: Settings, data: Data) -> tuple[int, int]:
    """Steps and validations of a training that is not stopped early."""
    options, n = settings.trainer, len(next(iter(data.splits["train"].values())))
    size = n if options.batch_size == "all" else min(options.batch_size, n)
    per_epoch = math.ceil(n / min(size * options.accumulate, n))
    steps = options.steps or options.epochs * per_epoch
    return steps, max(1, math.ceil(steps / per_epoch / options.validate_every))


def config_hash(tree: Mapping[str, Any]) -> str:
    """The same for two runs if and only if they train the same thing; where they are tracked does not matter."""
    told = {key: value for key, value in tree.items() if key != "tracking"}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


@functools.cache
def git_commit() -> str | None:
    """The commit of the working directory, if it is one."""
    try:
        found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() if found.returncode == 0 else None
