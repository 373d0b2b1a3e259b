"""The tracking store: one MLflow run per training, through the low-level client.

MLflow is imported when a run begins, never before: it takes a second. Its own queue and its fluent API are not used: one
`log_batch` of a thousand points costs what fifty single calls cost.
"""

from __future__ import annotations

import contextlib
import getpass
import logging
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from framework.recording import Tracking

BATCH = 1000  # points, MLflow's limit for a call
PATIENCE = 2.0  # seconds that points wait at most while more arrive
PARAMS = 100  # params, MLflow's limit for a call
PARAM_LENGTH = 6000  # characters, MLflow's limit for a value


def tracking_uri(tracking: Tracking, runs: Path) -> str:
    """Where the store is: as asked for, or the SQLite file in the folder of runs."""
    return tracking.uri or f"sqlite:///{runs.resolve() / 'mlflow.db'}"


class Store:
    """An open tracking store and the experiment in it.

    Args:
        tracking: the options.
        runs: the folder of runs; a local store and its artifacts lie there.
    """

    def __init__(self, tracking: Tracking, runs: Path) -> None:
        mlflow = quiet_mlflow()
        runs = runs.resolve()
        runs.mkdir(parents=True, exist_ok=True)
        self.client = mlflow.MlflowClient(tracking_uri(tracking, runs))
        # Two processes that create one store at once would run its migrations into each other.
        with FileLock(runs / ".mlflow.lock") if tracking.uri is None else contextlib.nullcontext():
            if tracking.uri is None:
                _write_ahead(runs / "mlflow.db")
            self.experiment_id = self._experiment(tracking, runs)

    def _experiment(self, tracking: Tracking, runs: Path) -> str:
        found = self.client.get_experiment_by_name(tracking.experiment)
        if found is not None:
            return str(found.experiment_id)
        where = None if tracking.uri else (runs / "artifacts" / tracking.experiment).as_uri()
        tags = {"mlflow.experimentKind": "custom_model_development"}
        return str(self.client.create_experiment(tracking.experiment, artifact_location=where, tags=tags))

    def begin(self, name: str, params: Mapping[str, Any], tags: Mapping[str, str]) -> TrackedRun:
        """A new run in state RUNNING."""
        from mlflow.entities import Param

        own = {"mlflow.user": getpass.getuser(), "mlflow.source.name": "stackprop", "mlflow.source.type": "LOCAL"}
        run = self.client.create_run(self.experiment_id, run_name=name, tags={**own, **tags})
        entries = [Param(key, str(value)[:PARAM_LENGTH]) for key, value in params.items()]
        for at in range(0, len(entries), PARAMS):
            self.client.log_batch(run.info.run_id, params=entries[at : at + PARAMS])
        return TrackedRun(self.client, str(run.info.run_id))


class TrackedRun:
    """One MLflow run; a sink of points, which are sent in batches."""

    def __init__(self, client: Any, run_id: str) -> None:
        self.client, self.run_id = client, run_id
        self.waiting: list[tuple[str, float, int, int]] = []
        self.sent = time.monotonic()

    def points(self, points: Sequence[tuple[str, float, int, int]]) -> None:
        """Take in points; they are sent when there are enough for a batch, or have waited long enough to be looked at."""
        self.waiting.extend(points)
        if len(self.waiting) >= BATCH or time.monotonic() - self.sent > PATIENCE:
            self.send()

    def send(self) -> None:
        """Send all points that wait."""
        from mlflow.entities import Metric

        waiting, self.waiting = self.waiting, []
        self.sent = time.monotonic()
        for at in range(0, len(waiting), BATCH):
            metrics = [Metric(name, value, when, step) for name, value, step, when in waiting[at : at + BATCH]]
            self.client.log_batch(self.run_id, metrics=metrics)

    def artifact(self, path: Path) -> None:
        """Keep a file with the run."""
        self.client.log_artifact(self.run_id, str(path))

    def tag(self, key: str, value: str) -> None:
        """Set a tag."""
        self.client.set_tag(self.run_id, key, value)

    def end(self, state: str) -> None:
        """Send what waits and end the run: FINISHED, FAILED or KILLED."""
        self.send()
        self.client.set_terminated(self.run_id, state)


def quiet_mlflow() -> Any:
    """MLflow, without its telemetry and its log lines about database migrations."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    import mlflow

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return mlflow


def _write_ahead(path: Path) -> None:
    """Readers and a writer side by side; the mode stays with the file."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")


def flattened(tree: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of a configuration as dotted names, the params of a run; empty mappings say nothing and are left out."""
    for key, value in tree.items():
        here = f"{path}.{key}" if path else str(key)
        if isinstance(value, Mapping):
            yield from flattened(value, here)
        else:
            yield here, value
