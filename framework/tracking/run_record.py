"""`RunRecord`: one run's folder and its run in the tracking store, from start to end."""

from __future__ import annotations

import contextlib
import functools
import math
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from framework.core.callback import Snapshot
from framework.core.errors import CheckpointError, ConfigError, StillRunning
from framework.core.log import log
from framework.core.reading import stamp
from framework.core.secrets import masked
from framework.core.trust import trust_store
from framework.core.version import __version__
from framework.core.writing import amend, json_text, overwrite, write_json, write_text
from framework.core.yaml_text import yaml_text
from framework.tracking import checkpoint as checkpoints
from framework.tracking.allowance import StoreDownError
from framework.tracking.config_hash import config_hash, without_labels
from framework.tracking.locks import RunLock, lock_runs
from framework.tracking.mlflow import KEY, NOTE, MlflowRun, MlflowStore, flattened, get_store, new_key, warn_of_store
from framework.tracking.naming import about_of
from framework.tracking.options import Tracking
from framework.tracking.origins import FILE as ORIGINS
from framework.tracking.origins import tags as plugin_tags
from framework.tracking.owner import this_process
from framework.tracking.recorder import MetricsRecorder
from framework.tracking.relocation import relative_to
from framework.tracking.run_dir import RunLocation
from framework.tracking.run_dir import read_state as read_state
from framework.tracking.writers import MlflowWriterPool, RemoteMlflowRun

CHECKPOINT = "checkpoint.npz"
UNSETTLED, SETTLED = (
    '"tracked": false\n}\n',
    '"tracked": true\n}\n',
)  # the end of `run.json` before and after the store has all
OF_AN_END = ("reason", "ended", "state", "metrics", "kept", "tracked")  # entries of `run.json` for a run that has ended


class RunOptions(Protocol):
    """The settings of a run that a record reads."""

    @property
    def tree(self) -> Mapping[str, Any]: ...
    @property
    def record(self) -> Mapping[str, Any]: ...
    @property
    def tracking(self) -> Tracking: ...
    @property
    def trainer(self) -> Any: ...


class RunRecord:
    """The record of a run.

    Args:
        settings: the settings of the run.
        place: the location of the run.
        steps, validations: their maximum numbers.
        directions: metric -> whether less of it is better.
        keep: writes the origins of the components into the folder.
        resume: resume the run in that folder from its checkpoint.
        claimed: the lock of this process, if several runs start together.
        feeder: the processes that write to MLflow, if any.
        epoch: the steps of an epoch; 0: unknown.
        earlier: the state of another run to go on from, and the size of its metrics, which are in the folder already.

    Attributes:
        ended: whether the end of the run is recorded.
        recorder: a callback of the training.
        snapshot: of the checkpoint, for a resumed run.

    Raises:
        ConfigError: the run cannot be resumed; the message gives the reason.
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
        epoch: int = 0,
        earlier: tuple[Snapshot, int] | None = None,
    ) -> None:
        self.settings, self.place, self.keep, self.feeder, self.ended = settings, place, keep, feeder, False
        self.complained, self.unsettled = False, ""
        place.folder.mkdir(parents=True, exist_ok=True)
        self.claimed = claimed or claimed_by_us([place])
        before = self._checkpoint() if resume else earlier
        self.snapshot: Snapshot | None = before and before[0]
        upto = before and before[1]
        if settings.tracking.uri and not resume:
            trust_store(settings.tracking.uri, masked(settings.tracking.uri))
        self.state = {**self._state(resume), "steps": steps, "validations": validations}
        self.state |= {"steps_per_epoch": epoch} if epoch else {}
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
        """Write the record with its key before the store has a run of that key; then start the run in the store."""
        path = self.place.folder / "run.json"
        write_json(path, self.state, lasting=not self.feeder)  # waiting for the disk would take seconds for hundreds of jobs
        if self.settings.tracking.type == "mlflow":
            self.tracked = self._tracked(self.feeder, fresh)
        if self.tracked and not self.feeder:  # runs of a feeder start while the networks train
            self.state["mlflow_run_id"] = self.tracked.run_id
            write_json(path, self.state)
        self.stamp = stamp(self.place.folder / "run.json")

    def _state(self, resume: bool) -> dict[str, Any]:
        """The content of `run.json`."""
        if resume:
            known = {key: value for key, value in read_state(self.place.folder).items() if key not in OF_AN_END}
            return {**known, "status": "running", "resumed": time.time(), "process": this_process()}
        write_text(self.place.folder / "config.yaml", yaml_text(without_labels(self.settings.record)))
        self.keep(self.settings, self.place.folder)
        state: dict[str, Any] = {"status": "running", "key": new_key(), "mlflow_run_id": None, "started": time.time()}
        state |= {"name": self.place.name, "tags": dict(self.place.tags)}
        state |= {"about": about} if (about := self.place.about.entry) else {}
        state |= {"choices": dict(self.place.choices)} if self.place.choices else {}
        state |= {
            "command": self.place.command,
            "runs": relative_to(self.place.runs, self.place.folder),
        }
        state |= {"store": masked(uri)} if (uri := self.settings.tracking.uri) else {}
        state |= {"commit": commit} if (commit := git_commit()) else {}
        return {**state, "config_hash": config_hash(self.settings.tree), "version": __version__, "process": this_process()}

    def _tracked(self, feeder: MlflowWriterPool | None, fresh: bool) -> MlflowRun | RemoteMlflowRun | None:
        written, tracking = without_labels(self.settings.record), self.settings.tracking
        plugins = plugin_tags(self.place.folder)
        tracked: MlflowRun | RemoteMlflowRun
        try:
            if feeder:
                params, tags = dict(flattened(written)), tags_of(self.place, self.state, plugins)
                tracked = feeder.begin(tracking, self.place.runs, self.place.name, params, tags)
            else:
                tracked = begin_tracked(get_store(tracking, self.place.runs), self.place, written, self.state, fresh)
            send_files(tracked, self.place.folder, bool(plugins))  # now: the store has little to do while a network trains
            return tracked
        except StoreDownError:  # reported already
            return None
        except Exception as error:  # an error of the store must not stop the training
            warn_of_store(error)
            return None

    def _checkpoint(self) -> tuple[Snapshot, int]:
        if read_state(self.place.folder).get("config_hash") != config_hash(self.settings.tree):
            raise ConfigError(
                f"{self.place.folder}/config.yaml: it, or a value from the environment, has changed since the run started"
            )
        try:
            return read_checkpoint(self.place.folder)
        except CheckpointError as error:
            raise ConfigError(str(error)) from error

    def save(self, arrays: Mapping[str, np.ndarray], plain: Mapping[str, Any], lasting: bool = True) -> None:
        """Write a checkpoint: first the metrics up to this step, then the state."""
        content = {"training": plain, "metrics_bytes": self.recorder.sync()}
        if self.tracked:
            self.tracked.send()
        checkpoints.save(self.place.folder / CHECKPOINT, arrays, content, lasting)

    def restart(self) -> None:
        """Empty the record of a training that starts again from its first step; its run in the store goes on.

        Raises:
            OSError: a file cannot be emptied.
        """
        self.snapshot = None
        (self.place.folder / CHECKPOINT).unlink(missing_ok=True)  # it counts on metrics that are removed next
        self.recorder.restart()

    def save_end(self, arrays: Mapping[str, np.ndarray], plain: Mapping[str, Any]) -> None:
        """Write the checkpoint of the end. A run is complete without it, so an error is reported, not raised."""
        try:
            self.save(arrays, plain, lasting=False)  # the run has ended: no step is lost with it
        except OSError as error:
            hint = "the run cannot be trained longer; trainer.checkpoint_at_end=false writes none"
            log.error(f"{self.place.folder / CHECKPOINT}: {error.strerror}; {hint}")

    def end(
        self,
        status: str,
        reason: str,
        state: str,
        metrics: Mapping[str, float],
        settle: bool = True,
        kept: Mapping[str, Any] | None = None,
    ) -> None:
        """Record the end of the run, here and in the store.

        Args:
            metrics: the metrics at the saved weights.
            kept: which weights these are, for `run.json`; None if there are none.
            settle: wait until the store has it; `settle` waits later, for many runs that end together.
        """
        with contextlib.suppress(OSError):  # the warning was printed
            self.recorder.sync()
        if (
            stamp(self.place.folder / "run.json") != self.stamp
            and (about := read_state(self.place.folder).get("about")) is not None
        ):
            self.state["about"] = about  # `stackprop tag` has changed it meanwhile
        last = {name: value if math.isfinite(value) else str(value) for name, value in metrics.items()}
        self.state |= {"status": status, "reason": reason, "ended": time.time(), "metrics": last, "state": state}
        self.state |= {"kept": dict(kept)} if kept else {}
        if isinstance(self.tracked, RemoteMlflowRun):
            self.state["mlflow_run_id"] = self.tracked.known_id
        unsettled = {**self.state, "tracked": False}  # `doctor` sends it later
        self.unsettled = json_text(unsettled) if self._write(unsettled) else ""
        if self.tracked:
            send_end(self.tracked, self.state)
        self.ended = True
        if settle:
            self.settle()

    def settle(self) -> None:
        """Record that the store has everything, and release the run."""
        self.state["tracked"] = self.tracked is not None and not self.tracked.lost
        known = self.state["mlflow_run_id"]
        self.state["mlflow_run_id"] = (self.tracked and self.tracked.run_id) or known
        settled = self.unsettled.removesuffix(UNSETTLED) + SETTLED if self.state["tracked"] else self.unsettled
        amended = known == self.state["mlflow_run_id"] and amend(self.place.folder / "run.json", self.unsettled, settled)
        if amended or self._write(self.state):
            with contextlib.suppress(OSError):  # a lock that cannot be removed ends with this process
                self.claimed.release(self.place.folder)

    def _write(self, state: Mapping[str, Any]) -> bool:
        """Write `run.json`; returns whether this succeeded."""
        path = self.place.folder / "run.json"
        try:
            write_json(path, state)
        except OSError as error:
            if not overwrite(path, state):
                if not self.complained:
                    hint = f"the end of the run ({state['status']}) could not be recorded; `stackprop doctor` will do it"
                    log.error(f"{path}: {error.strerror}; {hint}")
                self.complained = True
                return False
        return True


def read_checkpoint(folder: Path) -> tuple[Snapshot, int]:
    """The state in the checkpoint of a run, and how many bytes its metrics had then.

    Raises:
        CheckpointError: it is missing, damaged, or not a checkpoint of a run.
    """
    arrays, plain = checkpoints.load(folder / CHECKPOINT)
    training, size = plain.get("training"), plain.get("metrics_bytes")
    sound = isinstance(training, dict) and isinstance(training.get("step"), int) and isinstance(size, int)
    if not sound or any(arrays.get(name, np.zeros(0)).size == 0 for name in ("w", "best.stale", "best.value")):
        raise CheckpointError(f"{folder / CHECKPOINT}: not a checkpoint of a run")
    return (arrays, plain["training"]), plain["metrics_bytes"]


def series_points(tracking: Tracking, keeps_best: bool) -> int:
    """The number of points of a series in the store; one less if the value of restored weights follows them."""
    return max(2, tracking.max_points - keeps_best)


def claimed_by_us(places: Sequence[RunLocation]) -> RunLock:
    """The lock of runs that start together.

    Raises:
        ConfigError: another process runs them.
    """
    try:
        return lock_runs(places[0].runs, [place.folder for place in places])
    except StillRunning as error:
        raise ConfigError(str(error)) from error


def begin_tracked(
    store: MlflowStore, place: RunLocation, tree: Mapping[str, Any], state: dict[str, Any], fresh: bool = False
) -> MlflowRun:
    """The run of a record in the store, with params and tags: the run of its key, or a new one.

    Args:
        tree: the recorded configuration.
        state: of the record; a record without a key gets one here.
        fresh: whether its key is new, so that the store has no such run.
    """
    if "key" not in state:
        _give_key(store, place, state)
    params, tags = dict(flattened(tree)), tags_of(place, state)
    known = None if fresh else store.find(state["key"])
    if not known:
        return store.begin(place.name, params, tags)
    return store.reopen(known, params, {key: text for key, text in tags.items() if key != NOTE})


def _give_key(store: MlflowStore, place: RunLocation, state: dict[str, Any]) -> None:
    """Give a key to an old record: first to its run in the store, then to the record, so that both are found again if the
    process stops between."""
    run = store.find_keyless(state.get("mlflow_run_id"), place.folder)
    state["key"] = run.data.tags.get(KEY, new_key()) if run else new_key()
    if run:
        store.client.set_tag(run.info.run_id, KEY, state["key"])
    write_json(place.folder / "run.json", state)


def send_files(tracked: MlflowRun | RemoteMlflowRun, folder: Path, has_plugins: bool) -> None:
    """Send the files that say what is trained to the store.

    Args:
        has_plugins: whether it uses third-party components.
    """
    tracked.artifact(folder / "config.yaml")
    if has_plugins:
        tracked.artifact(folder / ORIGINS)


def send_end(tracked: MlflowRun | RemoteMlflowRun, state: Mapping[str, Any]) -> None:
    """Send the recorded end of a run to the store."""
    reason, note = state.get("reason"), (state.get("kept") or {}).get("note")
    tags = {"stackprop.status": f"{state['status']}: {reason}" if reason else state["status"]}
    tracked.end(state.get("state", "FAILED"), tags | ({"stackprop.kept": note} if note else {}))


def tags_of(place: RunLocation, state: Mapping[str, Any], plugins: Mapping[str, str] | None = None) -> dict[str, str]:
    """The tags of a run; `state` is its `run.json`.

    Args:
        plugins: those of its third-party components; None: as `plugins.json` says.
    """
    tags = {
        KEY: str(state["key"]),
        "stackprop.config_hash": str(state.get("config_hash", "")),
        "stackprop.version": __version__,
        "stackprop.status": "running",
        "stackprop.folder": os.path.abspath(place.folder),
        **(plugin_tags(place.folder) if plugins is None else plugins),
        **about_of(state).tags,
        **place.tags,
    }
    if notes := about_of(state).notes:
        tags[NOTE] = notes
    commit = git_commit()
    if commit:
        tags |= {"stackprop.git_commit": commit, "mlflow.source.git.commit": commit}
    return tags


@functools.cache
def git_commit() -> str | None:
    """The commit of the working directory, if it is a repository."""
    try:
        found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() if found.returncode == 0 else None
