"""One run's folder and its run in the tracking store, from begin to end."""

from __future__ import annotations

import functools
import hashlib
import json
import math
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

import framework
from framework import checkpoints, provenance
from framework.config import ConfigError, Settings
from framework.feeding import FedRun, Feeder
from framework.mlflow_store import Store, TrackedRun, complain, flattened, opened
from framework.reading import read_json
from framework.reaping import Claim, StillRunning, claim
from framework.recording import Recorder, Tracking
from framework.running import Snapshot
from framework.secrecy import masked
from framework.trust import trust_store
from framework.writing import write_json, write_text

Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # ten times as fast, where the C library is there


@dataclass(frozen=True)
class Place:
    """Where a run is written, and what it is known by.

    Attributes:
        folder: the run's own folder.
        runs: the folder of all runs, with the tracking store.
        name: what the run is called in the UI.
        tags: the sweep it belongs to.
        command: what repeats it.
    """

    folder: Path
    runs: Path
    name: str
    tags: Mapping[str, str] = field(default_factory=dict)
    command: str = ""


class Record:
    """
    Args:
        settings: what runs.
        place: where it is written.
        steps, validations: how many there will be at most.
        directions: metric -> whether less of it is better.
        resume: take the run in that folder up again, at its checkpoint.
        claimed: the lock that says that its process lives, where several runs begin together.
        feeder: the process that feeds the store, where there is one.

    Attributes:
        ended: whether it has been written down how the run ended.
        recorder: an observer of the training.
        snapshot: of the checkpoint, when a run is taken up again.

    Raises:
        ConfigError: the run cannot be taken up again; the message says why.
    """

    def __init__(
        self,
        settings: Settings,
        place: Place,
        steps: int,
        validations: int,
        directions: Mapping[str, bool],
        resume: bool = False,
        claimed: Claim | None = None,
        feeder: Feeder | None = None,
    ) -> None:
        self.settings, self.place, self.feeder, self.ended = settings, place, feeder, False
        place.folder.mkdir(parents=True, exist_ok=True)
        self.claimed = claimed or claimed_by_us([place])
        self.snapshot: Snapshot | None = None
        upto: int | None = None
        if resume:
            self.snapshot, upto = self._checkpoint()
        if settings.tracking.uri and not resume:
            trust_store(settings.tracking.uri, masked(settings.tracking.uri))
        self.state = {**self._state(resume), "steps": steps, "validations": validations}
        self.state["lower_is_better"] = dict(directions)
        self.tracked = self._tracked(feeder) if settings.tracking.type == "mlflow" else None
        # A feeder's runs begin while the networks train; if this process dies by then, the store finds them by their tag.
        self.state["mlflow_run_id"] = self.tracked.run_id if self.tracked and not feeder else None
        write_json(place.folder / "run.json", self.state)
        counts, points = (steps, validations), series_points(settings.tracking, settings.trainer.keeps_best)
        self.recorder = Recorder(place.folder, *counts, self.tracked, points, upto, settings.trainer.probe_every)

    def _state(self, resume: bool) -> dict[str, Any]:
        """What `run.json` says."""
        if resume:
            return {**read_state(self.place.folder), "status": "running", "resumed": time.time()}
        text = yaml.dump(dict(self.settings.record), Dumper=Dumper, sort_keys=False, allow_unicode=True)
        write_text(self.place.folder / "config.yaml", text)
        provenance.keep(self.settings, self.place.folder)
        told = {"status": "running", "started": time.time(), "name": self.place.name, "tags": dict(self.place.tags)}
        told |= {
            "command": self.place.command,
            "runs": os.path.relpath(self.place.runs.resolve(), self.place.folder.resolve()),
        }
        told |= {"store": masked(uri)} if (uri := self.settings.tracking.uri) else {}
        return {**told, "config_hash": config_hash(self.settings.tree), "version": framework.__version__, "pid": os.getpid()}

    def _tracked(self, feeder: Feeder | None) -> TrackedRun | FedRun | None:
        tracking, written, found = self.settings.tracking, self.settings.record, config_hash(self.settings.tree)
        if feeder:
            named = self.place.name, dict(flattened(written)), tags_of(self.place, found)
            return feeder.begin(tracking, self.place.runs, *named)
        try:
            store, known = opened(tracking, self.place.runs), self.state.get("mlflow_run_id")
            return store.reopen(known) if known else begin_tracked(store, self.place, written, found)
        except Exception as error:  # whatever a store raises must not cost the training
            complain(error)
            return None

    def _checkpoint(self) -> tuple[Snapshot, int]:
        if read_state(self.place.folder).get("config_hash") != config_hash(self.settings.tree):
            raise ConfigError(
                f"{self.place.folder}/config.yaml: it was changed since the run began, or what it has from the environment"
            )
        try:
            arrays, plain = checkpoints.load(self.place.folder / "checkpoint.npz")
        except checkpoints.CheckpointError as error:
            raise ConfigError(str(error)) from error
        return (arrays, plain["training"]), plain["metrics_bytes"]

    def save(self, arrays: Mapping[str, np.ndarray], plain: Mapping[str, Any]) -> None:
        """Write a checkpoint: first the metrics up to here, then the state that belongs to them."""
        told = {"training": plain, "metrics_bytes": self.recorder.sync()}
        if self.tracked:
            self.tracked.send()
        checkpoints.save(self.place.folder / "checkpoint.npz", arrays, told)

    def end(
        self,
        status: str,
        reason: str,
        state: str,
        metrics: Mapping[str, float],
        settle: bool = True,
        kept: Mapping[str, Any] | None = None,
    ) -> None:
        """Write down how it ended, here and in the store.

        Args:
            metrics: what was measured at the weights that are saved.
            kept: which weights these are, as `run.json` says it; None where there are none.
            settle: wait until the store has it; `settle` does it later, for many runs that end together.
        """
        self.recorder.close()
        last = {name: value if math.isfinite(value) else str(value) for name, value in metrics.items()}
        self.state |= {"status": status, "reason": reason, "ended": time.time(), "metrics": last, "state": state}
        self.state |= {"kept": dict(kept)} if kept else {}
        if self.tracked:
            self.tracked.artifact(self.place.folder / "config.yaml")
            if provenance.tags(self.place.folder):
                self.tracked.artifact(self.place.folder / provenance.FILE)
            self.tracked.end(state, {"stackprop.status": f"{status}: {reason}" if reason else status})
        self.ended = True
        if settle:
            self.settle()
        else:
            write_json(self.place.folder / "run.json", {**self.state, "tracked": False})

    def settle(self) -> None:
        """Write down what the store has; the run is not ours any more."""
        self.state["tracked"] = self.tracked is not None and not self.tracked.lost
        self.state["mlflow_run_id"] = self.tracked.run_id if self.tracked else None
        write_json(self.place.folder / "run.json", self.state)
        self.claimed.release(self.place.folder)


def series_points(tracking: Tracking, keeps_best: bool) -> int:
    """Points of a series that the store gets; one less where the value of the restored weights follows them."""
    return max(2, tracking.max_points - keeps_best)


def claimed_by_us(places: Sequence[Place]) -> Claim:
    """The claim on runs that begin together.

    Raises:
        ConfigError: another process is at it.
    """
    try:
        return claim(places[0].runs, [place.folder for place in places])
    except StillRunning as error:
        raise ConfigError(str(error)) from error


def begin_tracked(store: Store, place: Place, tree: Mapping[str, Any], found: str) -> TrackedRun:
    """A new run in the store, with params and tags.

    Args:
        tree: the configuration as it is recorded.
        found: its hash, as it ran.
    """
    return store.begin(place.name, dict(flattened(tree)), tags_of(place, found))


def tags_of(place: Place, found: str) -> dict[str, str]:
    """What a run is found by."""
    tags = {
        "stackprop.config_hash": found,
        "stackprop.version": framework.__version__,
        "stackprop.status": "running",
        "stackprop.folder": os.path.abspath(place.folder),
        **provenance.tags(place.folder),
        **place.tags,
    }
    commit = git_commit()
    if commit:
        tags |= {"stackprop.git_commit": commit, "mlflow.source.git.commit": commit}
    return tags


def read_state(folder: Path) -> dict[str, Any]:
    """What `run.json` says, or nothing."""
    try:
        return dict(read_json(folder / "run.json"))
    except (OSError, ValueError, TypeError):
        return {}


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
