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
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from framework.recording import Tracking
from framework.relocating import artifact_folder, relocate
from framework.secrecy import masked
from framework.writing import refuse_link

BATCH = 1000  # points, MLflow's limit for a call
PATIENCE = 2.0  # seconds that points wait at most while more arrive
PARAMS = 100  # params, MLflow's limit for a call
PARAM_LENGTH = 6000  # characters, MLflow's limit for a value
SERVERS = ("http://", "https://", "databricks")  # how the URI of a server begins; any other is a file or a database


def tracking_uri(tracking: Tracking, runs: Path) -> str:
    """Where the store is: as asked for, or the SQLite file in the folder of runs."""
    return tracking.uri or f"sqlite:///{runs.resolve() / 'mlflow.db'}"


def is_served(tracking: Tracking) -> bool:
    """Whether a server keeps the store, and knows where artifacts go."""
    return (tracking.uri or "").startswith(SERVERS)


class Store:
    """An open tracking store and the experiment in it.

    Args:
        tracking: the options.
        runs: the folder of runs; the store lies there if no other is asked for, and artifacts unless a server keeps them.
    """

    def __init__(self, tracking: Tracking, runs: Path) -> None:
        mlflow = quiet_mlflow()
        runs = runs.resolve()
        runs.mkdir(parents=True, exist_ok=True)
        refuse_link(runs / ".mlflow.lock")  # to lock a file empties it
        # Two processes that create one store at once would run its migrations into each other.
        with contextlib.nullcontext() if is_served(tracking) else FileLock(runs / ".mlflow.lock"):
            if not tracking.uri and not (runs / "mlflow.db").exists():
                _create(runs / "mlflow.db")
            elif tracking.uri is None:
                relocate(runs / "mlflow.db", runs)
            self.client = mlflow.MlflowClient(tracking_uri(tracking, runs))
            self.experiment_id = self._experiment(tracking, runs)

    def _experiment(self, tracking: Tracking, runs: Path) -> str:
        found = self.client.get_experiment_by_name(tracking.experiment)
        if found is not None:
            return str(found.experiment_id)
        where = None if is_served(tracking) else (runs / "artifacts" / artifact_folder(tracking.experiment)).as_uri()
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
        tracked = TrackedRun(self.client, str(run.info.run_id))
        if not run.info.artifact_uri.startswith("mlflow-artifacts:"):
            tracked.files = artifact_repository(run.info.artifact_uri)
        return tracked

    def find(self, folder: Path) -> str | None:
        """The id of the run that is written to a folder."""
        query = f"tags.`stackprop.folder` = '{os.path.abspath(folder)}'"
        found = self.client.search_runs([self.experiment_id], query, max_results=1)
        return str(found[0].info.run_id) if found else None

    def reopen(self, run_id: str) -> TrackedRun:
        """A run of before in state RUNNING again; points that it has already are not sent twice."""
        run = self.client.get_run(run_id)
        self.client.update_run(run_id, status="RUNNING")
        tracked = TrackedRun(self.client, run_id)
        for name in run.data.metrics:
            tracked.known |= {(name, point.step) for point in self.client.get_metric_history(run_id, name)}
        return tracked


_opened: dict[tuple[str, str], Store] = {}


def opened(tracking: Tracking, runs: Path) -> Store:
    """The store, opened once for all jobs of a sweep."""
    key = (tracking_uri(tracking, runs), tracking.experiment)
    local = runs.resolve() / "mlflow.db"
    if key not in _opened or (not tracking.uri and not local.exists()):
        _opened[key] = Store(tracking, runs)
    return _opened[key]


class TrackedRun:
    """One MLflow run; a sink of points, which are sent in batches.

    A store that cannot be reached loses nothing: that is said once, and the run's folder holds what it did not get.
    """

    def __init__(self, client: Any, run_id: str) -> None:
        self.client, self.run_id = client, run_id
        self.files: Any = None
        self.patience = PATIENCE
        self.known: set[tuple[str, int]] = set()
        self.lost = False
        self.waiting: list[tuple[str, float, int, int]] = []
        self.sent = time.monotonic()

    def points(self, points: Sequence[tuple[str, float, int, int]]) -> None:
        """Take in points; they are sent when there are enough for a batch, or have waited long enough to be looked at."""
        self.waiting.extend(point for point in points if (point[0], point[2]) not in self.known)
        if len(self.waiting) >= BATCH or time.monotonic() - self.sent > self.patience:
            self.send()

    def send(self, tags: Mapping[str, str] | None = None) -> None:
        """Send all points that wait, and tags with the last of them."""
        from mlflow.entities import Metric, RunTag

        if self.lost:
            return
        waiting, self.waiting = self.waiting, []
        self.sent = time.monotonic()
        batches = [waiting[at : at + BATCH] for at in range(0, len(waiting), BATCH)] or [[]]
        told = [RunTag(key, value) for key, value in (tags or {}).items()]
        for batch in batches:
            metrics = [Metric(name, value, when, step) for name, value, step, when in batch]
            if metrics or told:
                own = told if batch is batches[-1] else []
                self._try(self.client.log_batch, self.run_id, metrics=metrics, tags=own)

    def artifact(self, path: Path, folder: str | None = None) -> None:
        """Keep a file with the run; a link, which may lead to any file of the user's, is not sent."""
        if not path.is_symlink():
            self._try(self._keep, str(path), folder)

    def _keep(self, path: str, folder: str | None) -> None:
        if self.files is None:
            self.client.log_artifact(self.run_id, path, folder)
        else:
            self.files.log_artifact(path, folder)

    def tag(self, key: str, value: str) -> None:
        """Set a tag."""
        self._try(self.client.set_tag, self.run_id, key, value)

    def end(self, state: str, tags: Mapping[str, str] | None = None) -> None:
        """Send what waits, and tags, and end the run: FINISHED, FAILED or KILLED."""
        self.send(tags)
        self._try(self.client.set_terminated, self.run_id, state)

    def _try(self, action: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        if self.lost:
            return
        try:
            action(*args, **kwargs)
        except Exception as error:  # whatever a store raises must not cost the training
            self.lost = True
            complain(error)


def complain(error: Exception) -> None:
    """Say that the store cannot be reached, and what to do."""
    text = masked(" ".join(str(error).split()))[:200]
    print(f"stackprop: the tracking store cannot be used ({type(error).__name__}: {text})", file=sys.stderr)
    print("stackprop: the run's folder keeps everything; `stackprop doctor` sends it on later", file=sys.stderr)


def quiet_mlflow() -> Any:
    """MLflow, without its telemetry and its log lines about database migrations."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # a server that is down is told in seconds, not minutes
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # there is one wherever tqdm happens to be
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # two lines for each run of a server
    import mlflow

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return mlflow


def _create(path: Path) -> None:
    """A new store under its name only when it is complete: a process killed meanwhile leaves no half of one."""
    from mlflow import MlflowClient

    beside = path.with_name(".mlflow-new.db")
    for left in path.parent.glob(".mlflow-new.db*"):
        left.unlink()
    MlflowClient(f"sqlite:///{beside}").search_experiments(max_results=1)
    # Write-ahead: readers and a writer side by side. The mode stays with the file.
    with contextlib.closing(sqlite3.connect(beside)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    beside.replace(path)


def artifact_repository(uri: str) -> Any:
    """Where a run's files go. The client would read the whole run again for each file, only to learn that."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    return get_artifact_repository(uri)


def flattened(tree: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of a configuration as dotted names, the params of a run; empty mappings say nothing and are left out."""
    for key, value in tree.items():
        here = f"{path}.{key}" if path else str(key)
        if isinstance(value, Mapping):
            yield from flattened(value, here)
        else:
            yield here, value
