"""One run's folder and its run in the tracking store, from begin to end."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import yaml

from framework.core.callback import Snapshot
from framework.core.errors import CheckpointError, ConfigError, StillRunning
from framework.core.secrets import masked
from framework.core.trust import trust_store
from framework.core.version import __version__
from framework.core.writing import overwrite, write_json, write_text
from framework.tracking import checkpoint as checkpoints
from framework.tracking.locks import RunLock, lock_runs
from framework.tracking.mlflow import KEY, MlflowRun, MlflowStore, flattened, get_store, new_key, warn_of_store
from framework.tracking.mlflow_process import MlflowWriterPool, RemoteMlflowRun
from framework.tracking.options import Tracking
from framework.tracking.origins import FILE as ORIGINS
from framework.tracking.origins import tags as plugin_tags
from framework.tracking.recorder import MetricsRecorder
from framework.tracking.run_dir import RunLocation
from framework.tracking.run_dir import read_state as read_state

Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # ten times as fast, where the C library is there
OF_AN_END = ("reason", "ended", "state", "metrics", "kept", "tracked")  # what `run.json` says of one that has ended


class RunOptions(Protocol):
    """What a record reads of the settings of a run."""

    @property
    def tree(self) -> Mapping[str, Any]: ...
    @property
    def record(self) -> Mapping[str, Any]: ...
    @property
    def tracking(self) -> Tracking: ...
    @property
    def trainer(self) -> Any: ...


class RunRecord:
    """
    Args:
        settings: what runs.
        place: where it is written.
        steps, validations: how many there will be at most.
        directions: metric -> whether less of it is better.
        keep: writes into the folder where the components of the settings come from.
        resume: take the run in that folder up again, at its checkpoint.
        claimed: the lock that says that its process lives, where several runs begin together.
        feeder: the process that feeds the store, where there is one.

    Attributes:
        ended: whether it has been written down how the run ended.
        recorder: a callback of the training.
        snapshot: of the checkpoint, when a run is taken up again.

    Raises:
        ConfigError: the run cannot be taken up again; the message says why.
    """

    def __init__(
        self,
        settings: RunOptions,
        place: RunLocation,
        steps: int,
        validations: int,
        directions: Mapping[str, bool],
        keep: Callable[[Any, Path], None],
        resume: bool = False,
        claimed: RunLock | None = None,
        feeder: MlflowWriterPool | None = None,
    ) -> None:
        self.settings, self.place, self.keep, self.feeder, self.ended = settings, place, keep, feeder, False
        self.complained = False
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
        self.tracked: MlflowRun | RemoteMlflowRun | None = None
        try:
            self._begin(fresh=not resume)
            counts, points = (steps, validations), series_points(settings.tracking, settings.trainer.keeps_best)
            self.recorder = MetricsRecorder(place.folder, *counts, self.tracked, points, upto, settings.trainer.probe_every)
        except OSError as error:
            if self.tracked:
                self.tracked.end("FAILED", {"stackprop.status": f"failed: {error.strerror}"})
            self.claimed.release(place.folder)
            raise

    def _begin(self, fresh: bool) -> None:
        """The record with its key, before the store has a run of that key; then the run in the store."""
        path = self.place.folder / "run.json"
        write_json(path, self.state, lasting=not self.feeder)  # of hundreds of jobs to wait for the disk would take seconds
        if self.settings.tracking.type == "mlflow":
            self.tracked = self._tracked(self.feeder, fresh)
        if self.tracked and not self.feeder:  # a feeder's runs begin while the networks train
            self.state["mlflow_run_id"] = self.tracked.run_id
            write_json(path, self.state)

    def _state(self, resume: bool) -> dict[str, Any]:
        """What `run.json` says."""
        if resume:
            known = {key: value for key, value in read_state(self.place.folder).items() if key not in OF_AN_END}
            return {**known, "status": "running", "resumed": time.time()}
        text = yaml.dump(dict(self.settings.record), Dumper=Dumper, sort_keys=False, allow_unicode=True)
        write_text(self.place.folder / "config.yaml", text)
        self.keep(self.settings, self.place.folder)
        told: dict[str, Any] = {"status": "running", "key": new_key(), "mlflow_run_id": None, "started": time.time()}
        told |= {"name": self.place.name, "tags": dict(self.place.tags)}
        told |= {
            "command": self.place.command,
            "runs": os.path.relpath(self.place.runs.resolve(), self.place.folder.resolve()),
        }
        told |= {"store": masked(uri)} if (uri := self.settings.tracking.uri) else {}
        return {**told, "config_hash": config_hash(self.settings.tree), "version": __version__, "pid": os.getpid()}

    def _tracked(self, feeder: MlflowWriterPool | None, fresh: bool) -> MlflowRun | RemoteMlflowRun | None:
        written, tracking = self.settings.record, self.settings.tracking
        if feeder:
            params, tags = dict(flattened(written)), tags_of(self.place, self.state)
            return feeder.begin(tracking, self.place.runs, self.place.name, params, tags)
        try:
            return begin_tracked(get_store(tracking, self.place.runs), self.place, written, self.state, fresh)
        except Exception as error:  # whatever a store raises must not cost the training
            warn_of_store(error)
            return None

    def _checkpoint(self) -> tuple[Snapshot, int]:
        if read_state(self.place.folder).get("config_hash") != config_hash(self.settings.tree):
            raise ConfigError(
                f"{self.place.folder}/config.yaml: it was changed since the run began, or what it has from the environment"
            )
        try:
            arrays, plain = checkpoints.load(self.place.folder / "checkpoint.npz")
        except CheckpointError as error:
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
        with contextlib.suppress(OSError):  # it has been said
            self.recorder.sync()
        last = {name: value if math.isfinite(value) else str(value) for name, value in metrics.items()}
        self.state |= {"status": status, "reason": reason, "ended": time.time(), "metrics": last, "state": state}
        self.state |= {"kept": dict(kept)} if kept else {}
        self._write({**self.state, "tracked": False})  # whoever finds it so sends it later
        if self.tracked:
            send_end(self.tracked, self.place.folder, self.state)
        self.ended = True
        if settle:
            self.settle()

    def settle(self) -> None:
        """Write down what the store has; the run is not ours any more."""
        self.state["tracked"] = self.tracked is not None and not self.tracked.lost
        self.state["mlflow_run_id"] = (self.tracked and self.tracked.run_id) or self.state["mlflow_run_id"]
        if self._write(self.state):
            with contextlib.suppress(OSError):  # a claim that cannot be taken away ends with this process
                self.claimed.release(self.place.folder)

    def _write(self, state: Mapping[str, Any]) -> bool:
        """Write `run.json`; whether that went well."""
        path = self.place.folder / "run.json"
        try:
            write_json(path, state)
        except OSError as error:
            if not overwrite(path, state):
                if not self.complained:
                    told = f"the run is {state['status']}, which could not be written down; `stackprop doctor` will end it"
                    print(f"stackprop: {path}: {error.strerror}; {told}", file=sys.stderr, flush=True)
                self.complained = True
                return False
        return True


def series_points(tracking: Tracking, keeps_best: bool) -> int:
    """Points of a series that the store gets; one less where the value of the restored weights follows them."""
    return max(2, tracking.max_points - keeps_best)


def claimed_by_us(places: Sequence[RunLocation]) -> RunLock:
    """The claim on runs that begin together.

    Raises:
        ConfigError: another process is at it.
    """
    try:
        return lock_runs(places[0].runs, [place.folder for place in places])
    except StillRunning as error:
        raise ConfigError(str(error)) from error


def begin_tracked(
    store: MlflowStore, place: RunLocation, tree: Mapping[str, Any], state: dict[str, Any], fresh: bool = False
) -> MlflowRun:
    """The one run of a record in the store, with params and tags: the run of its key, or a new one.

    Args:
        tree: the configuration as it is recorded.
        state: of the record; one from before there were keys gets one here.
        fresh: its key is new, and the store has not heard of it.
    """
    if "key" not in state:
        _give_key(store, place, state)
    params, tags = dict(flattened(tree)), tags_of(place, state)
    known = None if fresh else store.find(state["key"])
    return store.reopen(known, params, tags) if known else store.begin(place.name, params, tags)


def _give_key(store: MlflowStore, place: RunLocation, state: dict[str, Any]) -> None:
    """First to the run that the store has of an old record, then to the record: whoever dies between leaves both as they
    are found again."""
    run = store.find_keyless(state.get("mlflow_run_id"), place.folder)
    state["key"] = run.data.tags.get(KEY, new_key()) if run else new_key()
    if run:
        store.client.set_tag(run.info.run_id, KEY, state["key"])
    write_json(place.folder / "run.json", state)


def send_end(tracked: MlflowRun | RemoteMlflowRun, folder: Path, state: Mapping[str, Any]) -> None:
    """How a run ended, as its record says, and the files that tell what it was."""
    tracked.artifact(folder / "config.yaml")
    if plugin_tags(folder):
        tracked.artifact(folder / ORIGINS)
    reason, note = state.get("reason"), (state.get("kept") or {}).get("note")
    tags = {"stackprop.status": f"{state['status']}: {reason}" if reason else state["status"]}
    tracked.end(state.get("state", "FAILED"), tags | ({"stackprop.kept": note} if note else {}))


def tags_of(place: RunLocation, state: Mapping[str, Any]) -> dict[str, str]:
    """What a run is found by; `state` as its record says it."""
    tags = {
        KEY: str(state["key"]),
        "stackprop.config_hash": str(state.get("config_hash", "")),
        "stackprop.version": __version__,
        "stackprop.status": "running",
        "stackprop.folder": os.path.abspath(place.folder),
        **plugin_tags(place.folder),
        **place.tags,
    }
    commit = git_commit()
    if commit:
        tags |= {"stackprop.git_commit": commit, "mlflow.source.git.commit": commit}
    return tags


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
