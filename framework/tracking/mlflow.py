"""The tracking store: one MLflow run per training, through the low-level client.

MLflow is imported when a run begins, never before: it takes a second. Its own queue and its fluent API are not used: one
`log_batch` of a thousand points costs what fifty single calls cost.
"""

from __future__ import annotations

import contextlib
import getpass
import logging
import os
import secrets
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock

from framework.core import home
from framework.core.secrets import masked
from framework.core.writing import check_no_link
from framework.tracking.allowance import SlowServerError, TimeBudget
from framework.tracking.options import Tracking
from framework.tracking.relocation import artifact_folder, relocate

BATCH = 1000  # points, MLflow's limit for a call
PATIENCE = 2.0  # seconds that points wait at most while more arrive
PARAMS = 100  # params, MLflow's limit for a call
PAGE = 1000  # runs of a search that come at once
PARAM_LENGTH = 6000  # characters, MLflow's limit for a value
KEY = "stackprop.key"  # the tag by which a run is found again: random, made for one record, and written into it first
SERVERS = ("http://", "https://", "databricks")  # how the URI of a server begins; any other is a file or a database


def tracking_uri(tracking: Tracking, runs: Path) -> str:
    """Where the store is: as asked for, or the SQLite file in the folder of runs."""
    return tracking.uri or sqlite_uri(runs.resolve() / "mlflow.db")


def sqlite_uri(database: Path) -> str:
    """The address of a SQLite file, whatever signs its path holds."""
    from sqlalchemy import URL, make_url

    plain = f"sqlite:///{database}"
    if make_url(plain).database == str(database):
        return plain
    # With the driver's name, or MLflow makes a folder of the quoted name too.
    return URL.create("sqlite+pysqlite", database=str(database)).render_as_string()


def new_key() -> str:
    """For a record that has none."""
    return secrets.token_hex(16)


def is_served(tracking: Tracking) -> bool:
    """Whether a server keeps the store, and knows where artifacts go."""
    return (tracking.uri or "").startswith(SERVERS)


class RunListing(NamedTuple):
    """A run of a store, in short; `active` unless somebody deleted it."""

    run_id: str
    name: str
    status: str
    active: bool
    key: str


class MlflowStore:
    """An open tracking store and the experiment in it.

    Args:
        tracking: the options.
        runs: the folder of runs; the store lies there if no other is asked for, and artifacts unless a server keeps them.
    """

    def __init__(self, tracking: Tracking, runs: Path, allowance: TimeBudget | None = None) -> None:
        self.allowance = allowance or TimeBudget(is_served(tracking))
        mlflow = quiet_mlflow()
        self.runs = runs = runs.resolve()
        runs.mkdir(parents=True, exist_ok=True)
        check_no_link(runs / ".mlflow.lock")  # to lock a file empties it
        # Two processes that create one store at once would run its migrations into each other.
        with contextlib.nullcontext() if is_served(tracking) else FileLock(runs / ".mlflow.lock"):
            if not tracking.uri and not (runs / "mlflow.db").exists():
                _create(runs / "mlflow.db")
            elif tracking.uri is None:
                relocate(runs / "mlflow.db", runs)
            self.client = mlflow.MlflowClient(tracking_uri(tracking, runs))
            self.database = None if tracking.uri else runs / "mlflow.db"
            self.experiment_id = self._experiment(tracking, runs)

    def _experiment(self, tracking: Tracking, runs: Path) -> str:
        found = self.client.get_experiment_by_name(tracking.experiment)
        if found is not None:
            return str(found.experiment_id)
        where = None if is_served(tracking) else (runs / "artifacts" / artifact_folder(tracking.experiment)).as_uri()
        tags = {"mlflow.experimentKind": "custom_model_development"}
        return str(self.client.create_experiment(tracking.experiment, artifact_location=where, tags=tags))

    def begin(self, name: str, params: Mapping[str, Any], tags: Mapping[str, str]) -> MlflowRun:
        """A new run in state RUNNING."""
        self.allowance.begin_run()
        begun: MlflowRun = self.allowance.call(self._begin, name, params, tags)
        return begun

    def _begin(self, name: str, params: Mapping[str, Any], tags: Mapping[str, str]) -> MlflowRun:
        own = {"mlflow.user": user(), "mlflow.source.name": "stackprop", "mlflow.source.type": "LOCAL"}
        run = self.client.create_run(self.experiment_id, run_name=name, tags={**own, **tags})
        self._send_params(run, params)
        tracked = MlflowRun(self.client, str(run.info.run_id), self.allowance)
        if not run.info.artifact_uri.startswith("mlflow-artifacts:"):
            tracked.files = artifact_repository(run.info.artifact_uri)
        return tracked

    def _send_params(self, run: Any, params: Mapping[str, Any]) -> None:
        """Those that it has not got yet."""
        from mlflow.entities import Param

        entries = [Param(key, str(value)[:PARAM_LENGTH]) for key, value in params.items() if key not in run.data.params]
        for at in range(0, len(entries), PARAMS):
            self.client.log_batch(run.info.run_id, params=entries[at : at + PARAMS])

    def search(self, query: str, deleted: bool = False) -> list[Any]:
        """All runs that a search finds, however many, the oldest first; with those that were deleted, if asked for."""
        view, token, found = 3 if deleted else 1, None, []  # MLflow's ViewType
        while True:
            page = self.client.search_runs([self.experiment_id], query, view, PAGE, ["attributes.start_time"], token)
            found += page
            token = page.token
            if not token:
                return found

    def listed(self) -> list[RunListing]:
        """All runs of the experiment, the oldest first, and those that were deleted; of a database on this machine by a
        query of our own, as MLflow would read all params and metrics of every run."""
        if not self.database:
            found = self.search("", deleted=True)
            about = [(run.info, run.data.tags.get(KEY, "")) for run in found]
            return [RunListing(i.run_id, i.run_name, i.status, i.lifecycle_stage == "active", key) for i, key in about]
        query = (
            "SELECT r.run_uuid, r.name, r.status, r.lifecycle_stage = 'active', coalesce(t.value, '') FROM runs r "
            "LEFT JOIN tags t ON t.run_uuid = r.run_uuid AND t.key = ? WHERE r.experiment_id = ? ORDER BY r.start_time"
        )
        with contextlib.closing(sqlite3.connect(self.database, timeout=30)) as connection:
            rows = connection.execute(query, (KEY, int(self.experiment_id)))
            return [RunListing(run_id, name, status, bool(active), key) for run_id, name, status, active, key in rows]

    def find(self, key: str) -> str | None:
        """The id of the run of a record; of several, which `stackprop doctor` looks for, that with most points."""
        found = self.search(f"tags.`{KEY}` = '{key}'")
        ids = [str(run.info.run_id) for run in found]
        return ids[0] if len(ids) == 1 else max(ids, key=self.points_of, default=None)

    def find_keyless(self, run_id: str | None, folder: Path) -> Any:
        """The run of a record that was made before there were keys: by its id, otherwise by its folder; or None."""
        with contextlib.suppress(Exception):  # the store was lost, or the run deleted
            run = self.client.get_run(run_id)
            if run.info.lifecycle_stage == "active":
                return run
        folders = dict.fromkeys(map(str, (os.path.abspath(folder), folder.resolve(), os.path.relpath(folder), folder)))
        found = [run for name in folders for run in self.search(f"tags.`stackprop.folder` = {_quoted(name)}")]
        found = [run for run in found if not run.data.tags.get("sweep", "").endswith("-attempt")]
        return max(found, key=lambda run: self.points_of(run.info.run_id), default=None)

    def points_of(self, run_id: str) -> int:
        """How many points a run has."""
        names = self.client.get_run(run_id).data.metrics
        return sum(len(self.client.get_metric_history(run_id, name)) for name in names)

    def reopen(self, run_id: str, params: Mapping[str, Any], tags: Mapping[str, str]) -> MlflowRun:
        """A run of before in state RUNNING again; what it has already is not sent twice."""
        self.allowance.begin_run()
        reopened: MlflowRun = self.allowance.call(self._reopen, run_id, params, tags)
        return reopened

    def _reopen(self, run_id: str, params: Mapping[str, Any], tags: Mapping[str, str]) -> MlflowRun:
        from mlflow.entities import RunTag

        run = self.client.get_run(run_id)
        self.client.update_run(run_id, status="RUNNING")
        self.client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])
        self._send_params(run, params)
        tracked = MlflowRun(self.client, run_id, self.allowance)
        for name in run.data.metrics:
            tracked.known |= {(name, point.step) for point in self.client.get_metric_history(run_id, name)}
        return tracked


def _quoted(text: str) -> str:
    """A word of a search, which knows no escapes."""
    return f'"{text}"' if "'" in text else f"'{text}'"


_opened: dict[tuple[str, str], MlflowStore] = {}
_allowances: dict[tuple[str, str], TimeBudget] = {}


def get_store(tracking: Tracking, runs: Path) -> MlflowStore:
    """The store, opened once for all jobs of a sweep."""
    key = (tracking_uri(tracking, runs), tracking.experiment)
    local = runs.resolve() / "mlflow.db"
    if key not in _opened or (not tracking.uri and not local.exists()):
        quiet_mlflow()  # what it takes to be imported is no server's fault
        allowance = _allowances.setdefault(key, TimeBudget(is_served(tracking)))
        _opened[key] = allowance.call(MlflowStore, tracking, runs, allowance)
    return _opened[key]


class MlflowRun:
    """One MLflow run; a sink of points, which are sent in batches.

    A store that cannot be reached loses nothing: that is said once, and the run's folder holds what it did not get.
    """

    def __init__(self, client: Any, run_id: str, allowance: TimeBudget) -> None:
        self.client, self.run_id, self.allowance = client, run_id, allowance
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

    def ask(self, action: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """What a call of the client comes to.

        Raises:
            SlowServerError: the store is too slow, which has been said.
            Exception: whatever else it raises.
        """
        if self.lost:
            raise SlowServerError("the store has been given up")
        try:
            return self.allowance.call(action, *args, **kwargs)
        except SlowServerError as error:
            self._lose(error)
            raise

    def _lose(self, error: Exception) -> None:
        self.lost, slow = True, isinstance(error, SlowServerError)
        if not (slow and self.allowance.complained):  # of many runs once
            warn_of_store(error)
        self.allowance.complained |= slow

    def _try(self, action: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        if self.lost:
            return
        try:
            self.allowance.call(action, *args, **kwargs)
        except Exception as error:  # whatever a store raises must not cost the training
            self._lose(error)


def warn_of_store(error: Exception) -> None:
    """Say that the store cannot be reached, and what to do."""
    text = masked(" ".join(str(error).split()))[:200]
    print(f"stackprop: the tracking store cannot be used ({type(error).__name__}: {text})", file=sys.stderr)
    print("stackprop: the run's folder keeps everything; `stackprop doctor` sends it on later", file=sys.stderr)


def quiet_mlflow() -> Any:
    """MLflow, without its telemetry and its log lines about database migrations."""
    os.environ.update(home.variables())
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
    MlflowClient(sqlite_uri(beside)).search_experiments(max_results=1)
    # Write-ahead: readers and a writer side by side. The mode stays with the file.
    with contextlib.closing(sqlite3.connect(beside)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    beside.replace(path)


def artifact_repository(uri: str) -> Any:
    """Where a run's files go. The client would read the whole run again for each file, only to learn that."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    return get_artifact_repository(uri)


def user() -> str:
    """Who runs it; in a container, where a number may stand for nobody, that number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"


def flattened(tree: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of a configuration as dotted names, the params of a run; empty mappings say nothing and are left out."""
    for key, value in tree.items():
        here = f"{path}.{key}" if path else str(key)
        if isinstance(value, Mapping):
            yield from flattened(value, here)
        else:
            yield here, value
