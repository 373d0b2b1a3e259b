"""Writes runs into MLflow's own SQLite store with plain SQL: MLflow's client takes a hundred times as long.

The five calls that record a run leave the same rows as MLflow's client (a test compares all tables). Everything else is
passed on to that client, and so are these calls if the store has other tables than those known here.
"""

from __future__ import annotations

import contextlib
import math
import os
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

NAME = "mlflow.runName"  # the tag that repeats a run's name
LARGEST = 1.7976931348623157e308  # stands for infinity
WAIT = 60.0  # seconds for another process that writes
TABLES = {  # the columns that are written; with others, or more, MLflow's client is used
    "runs": "run_uuid name source_type source_name entry_point_name user_id status start_time end_time deleted_time "
    "source_version lifecycle_stage artifact_uri experiment_id",
    "params": "key value run_uuid",
    "tags": "key value run_uuid",
    "metrics": "key value timestamp run_uuid step is_nan",
    "latest_metrics": "key value timestamp step is_nan run_uuid",
}
RUN = (
    "INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, "
    "source_version, lifecycle_stage, artifact_uri, experiment_id) "
    "VALUES (?, ?, 'UNKNOWN', '', '', ?, 'RUNNING', ?, '', 'active', ?, ?)"
)
TAG = (
    "INSERT INTO tags (key, value, run_uuid) VALUES (?, ?, ?) "
    "ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value"
)
PARAM = "INSERT OR IGNORE INTO params (key, value, run_uuid) VALUES (?, ?, ?)"
METRIC = "INSERT OR IGNORE INTO metrics (key, value, timestamp, run_uuid, step, is_nan) VALUES (?, ?, ?, ?, ?, ?)"
LATEST = (
    "INSERT INTO latest_metrics (key, value, timestamp, run_uuid, step, is_nan) VALUES (?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value, timestamp = excluded.timestamp, "
    "step = excluded.step, is_nan = excluded.is_nan "
    "WHERE (excluded.step, excluded.timestamp, excluded.value) > (step, timestamp, value)"
)


def is_known(database: Path) -> bool:
    """Whether the tables of a store are those that this file writes."""
    if not database.is_file():
        return False
    with contextlib.closing(sqlite3.connect(database, timeout=WAIT)) as connection:
        found = {table: [row[1] for row in connection.execute(f"PRAGMA table_info({table})")] for table in TABLES}
    return all(sorted(found[table]) == sorted(columns.split()) for table, columns in TABLES.items())


class SqliteClient:
    """MLflow's client of a local store, whose calls that record a run write to its database.

    Args:
        client: MLflow's client.
        database: the file of the store.
    """

    def __init__(self, client: Any, database: Path) -> None:
        self.client, self.database = client, database
        self.locations: dict[str, str] = {}  # experiment -> where its artifacts lie
        self._lock, self._open = threading.RLock(), dict[int, sqlite3.Connection]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    @property
    def _connection(self) -> sqlite3.Connection:
        """An open connection of this process; a fork must not use that of its parent."""
        if os.getpid() not in self._open:
            opened = sqlite3.connect(self.database, timeout=WAIT, check_same_thread=False, isolation_level=None)
            opened.execute("PRAGMA synchronous=NORMAL")  # with write-ahead: nothing is corrupted by a power failure
            self._open = {os.getpid(): opened}
        return self._open[os.getpid()]

    def _write(self, run_id: str, statements: Iterable[tuple[str, Sequence[Sequence[Any]]]]) -> bool:
        """Run statements as one transaction, unless the run does not exist or was deleted; returns whether they ran."""
        with self._lock:
            connection = self._connection
            connection.execute("BEGIN IMMEDIATE")
            try:
                query = "SELECT 1 FROM runs WHERE run_uuid = ? AND lifecycle_stage = 'active'"
                active = run_id == "" or connection.execute(query, (run_id,)).fetchone() is not None
                for statement, rows in statements if active else ():
                    connection.executemany(statement, rows)
                connection.execute("COMMIT")
            except BaseException:
                connection.execute("ROLLBACK")
                raise
        return active

    def create_run(self, experiment_id: str, run_name: str, tags: Mapping[str, str]) -> Any:
        """A new run; see `MlflowClient.create_run`."""
        if experiment_id not in self.locations:
            self.locations[experiment_id] = str(self.client.get_experiment(experiment_id).artifact_location)
        run_id, user = uuid.uuid4().hex, tags.get("mlflow.user", "unknown")
        artifacts = f"{self.locations[experiment_id].rstrip('/')}/{run_id}/artifacts"
        row = (run_id, run_name, user, _now(), artifacts, int(experiment_id))
        all_tags = {**tags, NAME: run_name}
        self._write("", [(RUN, [row]), (TAG, [(key, value, run_id) for key, value in all_tags.items()])])
        info = SimpleNamespace(run_id=run_id, run_name=run_name, artifact_uri=artifacts, experiment_id=experiment_id)
        return SimpleNamespace(info=info, data=SimpleNamespace(params={}, tags=all_tags, metrics={}))

    def log_batch(
        self, run_id: str, metrics: Sequence[Any] = (), params: Sequence[Any] = (), tags: Sequence[Any] = ()
    ) -> None:
        """Points, params and tags; see `MlflowClient.log_batch`."""
        from mlflow.utils import validation

        one_of_each = list({metric.key: metric for metric in metrics}.values())
        _, params, tags = validation._validate_batch_log_data(one_of_each, params, tags)  # type: ignore[no-untyped-call]
        points = [_point(metric, run_id) for metric in metrics]
        latest: dict[str, tuple[Any, ...]] = {}
        for point in points:
            latest[point[0]] = max(latest.get(point[0], point), point, key=_age)
        statements = [
            (METRIC, points),
            (LATEST, list(latest.values())),
            (PARAM, [(param.key, param.value, run_id) for param in params]),
            (TAG, [(tag.key, tag.value, run_id) for tag in tags]),
            ("UPDATE runs SET name = ? WHERE run_uuid = ?", [(tag.value, run_id) for tag in tags if tag.key == NAME]),
        ]
        if not self._write(run_id, statements):
            self.client.log_batch(run_id, metrics, params, tags)  # raises MLflow's own error

    def set_tag(self, run_id: str, key: str, value: str) -> None:
        """A tag; see `MlflowClient.set_tag`."""
        from mlflow.entities import RunTag

        self.log_batch(run_id, tags=[RunTag(key, str(value))])

    def set_terminated(self, run_id: str, status: str) -> None:
        """The end of a run; see `MlflowClient.set_terminated`."""
        statement = "UPDATE runs SET status = ?, end_time = ? WHERE run_uuid = ?"
        if not self._write(run_id, [(statement, [(status, _now(), run_id)])]):
            self.client.set_terminated(run_id, status)

    def update_run(self, run_id: str, status: str | None = None, name: str | None = None) -> None:
        """Another status or name; see `MlflowClient.update_run`."""
        statements: list[tuple[str, Sequence[Sequence[Any]]]] = []
        if status is not None:
            statements.append(("UPDATE runs SET status = ? WHERE run_uuid = ?", [(status, run_id)]))
        if name:
            statements.append(("UPDATE runs SET name = ? WHERE run_uuid = ?", [(name, run_id)]))
            statements.append((TAG, [(NAME, name, run_id)]))
        if not self._write(run_id, statements):
            self.client.update_run(run_id, status, name)


def _point(metric: Any, run_id: str) -> tuple[Any, ...]:
    """A row of `metrics`: nan is 0 with a mark, infinity the largest number."""
    value = float(metric.value)
    if not math.isfinite(value):
        value = 0.0 if math.isnan(value) else math.copysign(LARGEST, value)
    return metric.key, value, metric.timestamp, run_id, metric.step, math.isnan(metric.value)


def _age(point: tuple[Any, ...]) -> tuple[Any, ...]:
    """What MLflow sorts by to find the latest point: step, time, value."""
    return point[4], point[2], point[1]


def _now() -> int:
    return int(time.time() * 1000)
