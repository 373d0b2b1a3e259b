"""The clients of a store: MLflow's, or one without MLflow for a local store whose tables are known.

MLflow is imported when a store needs it, never before: it takes two seconds.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import sqlite3
from pathlib import Path
from typing import Any

from framework.core import home
from framework.tracking import empty_store
from framework.tracking.local_artifacts import LocalArtifacts, is_local
from framework.tracking.options import Tracking
from framework.tracking.sqlite_client import SqliteClient, is_known

ATTEMPTS = 4  # to reach a database, in 1.1 seconds
SERVERS = ("http://", "https://", "databricks")  # prefixes of a server's URI; any other is a file or a database


def tracking_uri(tracking: Tracking, runs: Path) -> str:
    """The URI of the store: as configured, or the SQLite file in the folder of runs."""
    return tracking.uri or sqlite_uri(runs.resolve() / "mlflow.db")


def sqlite_uri(database: Path) -> str:
    """The address of a SQLite file, with all characters of its path escaped."""
    from sqlalchemy import URL, make_url

    plain = f"sqlite:///{database}"
    if make_url(plain).database == str(database):
        return plain
    # With the driver's name, otherwise MLflow also creates a folder of the quoted name.
    return URL.create("sqlite+pysqlite", database=str(database)).render_as_string()


def is_served(tracking: Tracking) -> bool:
    """Whether the store is on a server, which decides where artifacts are saved."""
    return (tracking.uri or "").startswith(SERVERS)


def client_of(tracking: Tracking, runs: Path, database: Path | None) -> Any:
    """The client of a store; for a local one whose tables are known, one without MLflow."""

    def of_mlflow() -> Any:
        mlflow = quiet_mlflow()
        if not is_served(tracking):
            _few_attempts()
        return mlflow.MlflowClient(tracking_uri(tracking, runs))

    if database is None or not is_known(database):
        return of_mlflow()
    client, empty = SqliteClient(of_mlflow, database), empty_store.template(_make)
    if empty is None or empty_store.revision(empty) != empty_store.revision(database):
        client.made = of_mlflow()  # refuses tables of another version
    return client


def _few_attempts() -> None:
    """A database that is down, or a file that cannot be opened, is detected in seconds: MLflow tries ten times, for 102
    seconds, and there is no setting for it."""
    with contextlib.suppress(ImportError, AttributeError):
        database: Any = importlib.import_module("mlflow.store.db.utils")
        database.MAX_RETRY_COUNT = min(ATTEMPTS, database.MAX_RETRY_COUNT)
        logging.getLogger(database.__name__).setLevel(logging.ERROR)  # a message of four lines for each attempt


def together(client: Any) -> contextlib.AbstractContextManager[None]:
    """What is written in this block is one transaction of a local store."""
    return client.together() if isinstance(client, SqliteClient) else contextlib.nullcontext()


def entities_of(client: Any) -> Any:
    """The classes that a client takes: `Metric`, `Param`, `RunTag` ..."""
    return client.entities if isinstance(client, SqliteClient) else importlib.import_module("mlflow.entities")


def create(path: Path) -> None:
    """Create a new store and rename it once it is complete: a process killed meanwhile leaves no incomplete one."""
    beside = path.with_name(".mlflow-new.db")
    for left in path.parent.glob(".mlflow-new.db*"):
        left.unlink()
    if not empty_store.copied(beside, _make):
        _make(beside)
    # Write-ahead: readers and a writer at once. The mode is saved in the file.
    with contextlib.closing(sqlite3.connect(beside)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    beside.replace(path)


def _make(path: Path) -> None:
    """Let MLflow make an empty store."""
    quiet_mlflow().MlflowClient(sqlite_uri(path)).search_experiments(max_results=1)


def artifact_repository(uri: str) -> Any:
    """The artifact repository of a run. The client would read the whole run for each file, only to get it."""
    if is_local(uri):
        return LocalArtifacts(uri)
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    return get_artifact_repository(uri)


def quiet_mlflow() -> Any:
    """MLflow, without its telemetry and its log lines about database migrations."""
    os.environ.update(home.variables())
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # A server that is down is detected in seconds, not minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # it appears wherever tqdm is installed
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # two lines for each run of a server
    import mlflow

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # each attempt to reach a server that is down
    return mlflow
