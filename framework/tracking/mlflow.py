"""The tracking store: one MLflow run per training, through the low-level client.

A local store hardly ever needs MLflow itself: see `sqlite_client`. MLflow's queue and its fluent API are not used: one
`log_batch` of a thousand points takes as long as fifty single calls.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock

from framework.core.log import log
from framework.core.writing import check_no_link
from framework.tracking import mlflow_client
from framework.tracking.allowance import SlowServerError, TimeBudget, is_outage
from framework.tracking.mlflow_client import artifact_repository, entities_of, is_served, quiet_mlflow, together
from framework.tracking.options import Tracking
from framework.tracking.points import Point
from framework.tracking.relocation import artifact_folder, is_missing, relocate
from framework.tracking.sqlite_client import SqliteClient
from framework.tracking.store_errors import store_fault

BATCH = 1000  # points, MLflow's limit for a call
PATIENCE = 2.0  # maximum seconds that points wait for more points
PARAMS = 100  # params, MLflow's limit for a call
PAGE = 1000  # runs per page of a search
PARAM_LENGTH = 6000  # characters, MLflow's limit for a value
NOTE = "mlflow.note.content"  # the tag that the UI shows as the page of a run
KEY = "stackprop.key"  # the tag that identifies a run: random, created for one record, and written into it first


def new_key() -> str:
    """A new key, for a record without one."""
    return secrets.token_hex(16)


class RunListing(NamedTuple):
    """A run of a store, in short; `active` unless it was deleted."""

    run_id: str
    name: str
    status: str
    active: bool
    key: str


class MlflowStore:
    """An open tracking store and the experiment in it.

    Args:
        tracking: the options.
        runs: the folder of runs; it holds the store by default, and artifacts unless a server saves them.
    """

    def __init__(self, tracking: Tracking, runs: Path, allowance: TimeBudget | None = None) -> None:
        self.allowance = allowance or TimeBudget(is_served(tracking), remote=bool(tracking.uri))
        self.runs = runs = runs.resolve()
        runs.mkdir(parents=True, exist_ok=True)
        check_no_link(runs / ".mlflow.lock")  # locking a file empties it
        # Two processes that create one store at once would run conflicting migrations.
        with contextlib.nullcontext() if is_served(tracking) else FileLock(runs / ".mlflow.lock"):
            if not tracking.uri and is_missing(runs / "mlflow.db"):
                mlflow_client.create(runs / "mlflow.db")
            elif tracking.uri is None:
                relocate(runs / "mlflow.db", runs)
            self.database = None if tracking.uri else runs / "mlflow.db"
            self.client = mlflow_client.client_of(tracking, runs, self.database)
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
        started: MlflowRun = self.allowance.call(self._begin, name, params, tags)
        return started

    def _begin(self, name: str, params: Mapping[str, Any], tags: Mapping[str, str]) -> MlflowRun:
        own = {"mlflow.user": user(), "mlflow.source.name": "stackprop", "mlflow.source.type": "LOCAL"}
        with together(self.client):
            run = self.client.create_run(self.experiment_id, run_name=name, tags={**own, **tags})
            self._send_params(run, params)
        tracked = MlflowRun(self.client, str(run.info.run_id), self.allowance)
        if not run.info.artifact_uri.startswith("mlflow-artifacts:"):
            tracked.files = artifact_repository(run.info.artifact_uri)
        return tracked

    def _send_params(self, run: Any, params: Mapping[str, Any]) -> None:
        """Send the params that the run does not have yet."""
        new, own = [key for key in params if key not in run.data.params], entities_of(self.client)
        entries = [own.Param(key, str(params[key])[:PARAM_LENGTH]) for key in new]
        for at in range(0, len(entries), PARAMS):
            self.client.log_batch(run.info.run_id, params=entries[at : at + PARAMS])

    def search(self, query: str, deleted: bool = False) -> list[Any]:
        """All runs that a search finds, the oldest first; also deleted ones if requested."""
        view, token, found = 3 if deleted else 1, None, []  # MLflow's ViewType
        while True:
            page = self.client.search_runs([self.experiment_id], query, view, PAGE, ["attributes.start_time"], token)
            found += page
            token = page.token
            if not token:
                return found

    def listed(self) -> list[RunListing]:
        """All runs of the experiment, also deleted ones, the oldest first. A local database is queried directly, since
        MLflow would read all params and metrics of every run."""
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
        """The id of the run of a record; of several (`stackprop doctor` finds these), the one with most points."""
        ids = self.ids_of(key)
        return ids[0] if len(ids) == 1 else max(ids, key=self.points_of, default=None)

    def ids_of(self, key: str) -> list[str]:
        """The ids of the runs of a record."""
        if isinstance(self.client, SqliteClient):
            return self.client.ids_with_tag(self.experiment_id, KEY, key)
        return [str(run.info.run_id) for run in self.search(f"tags.`{KEY}` = '{key}'")] if key.isalnum() else []

    def find_keyless(self, run_id: str | None, folder: Path) -> Any:
        """The run of a record made before keys existed: by its id, otherwise by its folder; or None."""
        with contextlib.suppress(Exception):  # the store was lost, or the run deleted
            run = self.client.get_run(run_id)
            if run.info.lifecycle_stage == "active":
                return run
        folders = dict.fromkeys(map(str, (os.path.abspath(folder), folder.resolve(), os.path.relpath(folder), folder)))
        found = [run for name in folders for run in self.search(f"tags.`stackprop.folder` = {_quoted(name)}")]
        found = [run for run in found if not run.data.tags.get("sweep", "").endswith("-attempt")]
        return max(found, key=lambda run: self.points_of(run.info.run_id), default=None)

    def points_of(self, run_id: str) -> int:
        """The number of points of a run."""
        names = self.client.get_run(run_id).data.metrics
        return sum(len(self.client.get_metric_history(run_id, name)) for name in names)

    def reopen(self, run_id: str, params: Mapping[str, Any], tags: Mapping[str, str]) -> MlflowRun:
        """Set an earlier run to RUNNING again; what it has already is not sent twice."""
        self.allowance.begin_run()
        reopened: MlflowRun = self.allowance.call(self._reopen, run_id, params, tags)
        return reopened

    def _reopen(self, run_id: str, params: Mapping[str, Any], tags: Mapping[str, str]) -> MlflowRun:
        run, own = self.client.get_run(run_id), entities_of(self.client)
        self.client.update_run(run_id, status="RUNNING")
        self.client.log_batch(run_id, tags=[own.RunTag(key, value) for key, value in tags.items()])
        self._send_params(run, params)
        tracked = MlflowRun(self.client, run_id, self.allowance)
        for name in run.data.metrics:
            tracked.known |= {(name, point.step) for point in self.client.get_metric_history(run_id, name)}
        return tracked


def _quoted(text: str) -> str:
    """A quoted word for a search, which has no escapes."""
    return f'"{text}"' if "'" in text else f"'{text}'"


_opened: dict[tuple[str, str], MlflowStore] = {}
_allowances: dict[tuple[str, str], TimeBudget] = {}


def get_store(tracking: Tracking, runs: Path) -> MlflowStore:
    """The store, opened once for all jobs of a sweep."""
    local = runs.resolve() / "mlflow.db"
    key = (tracking.uri or str(local), tracking.experiment)
    if key not in _opened or (not tracking.uri and not local.exists()):
        if tracking.uri:
            quiet_mlflow()  # its import time does not count as a delay by the server
        allowance = _allowances.setdefault(key, TimeBudget(is_served(tracking), remote=bool(tracking.uri)))
        _opened[key] = allowance.call(MlflowStore, tracking, runs, allowance)
    return _opened[key]


class MlflowRun:
    """One MLflow run; receives points and sends them in batches.

    Nothing is lost if the store is not reachable: it warns once, and the run's folder holds the rest.
    """

    def __init__(self, client: Any, run_id: str, allowance: TimeBudget) -> None:
        self.client, self.run_id, self.allowance = client, run_id, allowance
        self.files: Any = None
        self.patience = PATIENCE
        self.known: set[tuple[str, int]] = set()
        self.gone, self.fileless = False, False  # the store is not used any more, or takes no files
        self.waiting: list[Point] = []
        self.sent = time.monotonic()
        self.before_sending: Callable[[], None] = lambda: None

    @property
    def lost(self) -> bool:
        """Whether some data did not reach the store."""
        return self.gone or self.fileless

    def points(self, points: Iterable[Point]) -> None:
        """Add points; they are sent once there are enough for a batch, or after a time limit."""
        self.waiting.extend(point for point in points if (point[0], point[2]) not in self.known)
        if len(self.waiting) >= BATCH or time.monotonic() - self.sent > self.patience:
            self.send()

    def send(self, tags: Mapping[str, str] | None = None) -> None:
        """Send all waiting points, and tags with the last of them."""
        if self.gone:
            return
        own = entities_of(self.client)
        if self.waiting:
            self.before_sending()
        waiting, self.waiting = self.waiting, []
        self.sent = time.monotonic()
        batches = [waiting[at : at + BATCH] for at in range(0, len(waiting), BATCH)] or [[]]
        pending = [own.RunTag(key, value) for key, value in (tags or {}).items()]
        for batch in batches:
            metrics = [own.Metric(name, value, when, step) for name, value, step, when in batch]
            if metrics or pending:
                last = pending if batch is batches[-1] else []
                self._try(self.client.log_batch, self.run_id, metrics=metrics, tags=last)

    def artifact(self, path: Path, folder: str | None = None) -> None:
        """Save a file with the run; a link is not sent, since it may lead to any file of the user's. A store that refuses it
        still gets the points."""
        if path.is_symlink() or self.lost:
            return
        try:
            self.allowance.call(self._keep, str(path), folder)
        except Exception as error:  # an error of the store must not stop the training
            self.fileless = True
            self._warn(error)

    def _keep(self, path: str, folder: str | None) -> None:
        if self.files is None:
            self.client.log_artifact(self.run_id, path, folder)
        else:
            self.files.log_artifact(path, folder)

    def tag(self, key: str, value: str) -> None:
        """Set a tag."""
        self._try(self.client.set_tag, self.run_id, key, value)

    def end(self, state: str, tags: Mapping[str, str] | None = None) -> None:
        """Send waiting points and tags, and end the run: FINISHED, FAILED or KILLED."""
        try:
            with together(self.client):
                self.send(tags)
                self._try(self.client.set_terminated, self.run_id, state)
        except Exception as error:
            if not self.gone:
                self._lose(error)

    def ask(self, action: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """The result of a client call.

        Raises:
            SlowServerError: the store is too slow; a warning was printed before.
            Exception: whatever else it raises.
        """
        if self.lost:
            raise SlowServerError("the store is not used any more")
        try:
            return self.allowance.call(action, *args, **kwargs)
        except SlowServerError as error:
            self._lose(error)
            raise

    def _lose(self, error: Exception) -> None:
        self.gone = True
        self._warn(error)

    def _warn(self, error: Exception) -> None:
        outage = is_outage(error)
        if not (outage and self.allowance.complained):  # once for many runs
            warn_of_store(error)
        self.allowance.complained |= outage

    def _try(self, action: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        if self.gone:
            return
        try:
            self.allowance.call(action, *args, **kwargs)
        except Exception as error:  # an error of the store must not stop the training
            self._lose(error)


def warn_of_store(error: Exception) -> None:
    """Warn that the store cannot be used, and name the remedy."""
    log.error(f"the tracking store cannot be used ({store_fault(error)})")
    log.error("the run's folder has all data; `stackprop doctor` sends them later")


def user() -> str:
    """The user's name; in a container, a user id without an account as a number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"


def flattened(tree: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of a configuration with dotted names, as the params of a run; empty mappings are left out."""
    for key, value in tree.items():
        here = f"{path}.{key}" if path else str(key)
        if isinstance(value, Mapping):
            yield from flattened(value, here)
        else:
            yield here, value
