"""Writes runs into MLflow's own SQLite store with plain SQL: MLflow's client takes a hundred times as long, and two seconds
to import.

The calls that record a run leave the same rows as MLflow's client (a test compares all tables). Everything else is passed on
to that client, which is imported then, and so are these calls if the store has other tables than those known here, or if a
name or a value is not plainly one that MLflow accepts.
"""

from __future__ import annotations

import functools
import math
import re
import uuid
from collections.abc import Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from framework.tracking import entities
from framework.tracking.entities import RunTag, of_mlflow
from framework.tracking.sqlite_base import has_tables, now
from framework.tracking.sqlite_models import SqliteModels

NAME = "mlflow.runName"  # the tag that repeats a run's name
LARGEST = 1.7976931348623157e308  # stands for infinity
PLAIN = re.compile(r"[\w\- ][\w.\- ]*(/[\w\- ][\w.\- ]*)*")  # a name that is surely valid
LONGEST = {"name": 250, "param": 6000, "tag": 8000}  # characters
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
AGE = itemgetter(4, 2, 1)  # what MLflow sorts by to find the latest point: step, time, value
LATEST = (
    "INSERT INTO latest_metrics (key, value, timestamp, run_uuid, step, is_nan) VALUES (?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value, timestamp = excluded.timestamp, "
    "step = excluded.step, is_nan = excluded.is_nan "
    "WHERE (excluded.step, excluded.timestamp, excluded.value) > (step, timestamp, value)"
)


def is_known(database: Path) -> bool:
    """Whether the tables of a store are those that this file writes."""
    return database.is_file() and has_tables(database, TABLES)


class SqliteClient(SqliteModels):
    """MLflow's client of a local store, whose calls that record a run write to its database.

    Args:
        make: makes MLflow's client, once it is needed.
        database: the file of the store.

    Attributes:
        entities: what the calls take.
    """

    entities = entities

    def create_run(self, experiment_id: str, run_name: str, tags: Mapping[str, str]) -> Any:
        """A new run; see `MlflowClient.create_run`."""
        location, all_tags = self.location(experiment_id), {**tags, NAME: run_name}
        if location is None or not all(map(_is_plain, all_tags, all_tags.values(), ["tag"] * len(all_tags))):
            return self.client.create_run(experiment_id, run_name=run_name, tags=tags)
        run_id, user = uuid.uuid4().hex, tags.get("mlflow.user", "unknown")
        artifacts = f"{location}/{run_id}/artifacts"
        row = (run_id, run_name, user, now(), artifacts, int(experiment_id))
        self.write("", [(RUN, [row]), (TAG, [(key, value, run_id) for key, value in all_tags.items()])])
        info = SimpleNamespace(run_id=run_id, run_name=run_name, artifact_uri=artifacts, experiment_id=experiment_id)
        return SimpleNamespace(info=info, data=SimpleNamespace(params={}, tags=all_tags, metrics={}))

    def log_batch(
        self, run_id: str, metrics: Sequence[Any] = (), params: Sequence[Any] = (), tags: Sequence[Any] = ()
    ) -> None:
        """Points, params and tags; see `MlflowClient.log_batch`."""
        points = [_point(metric, run_id) for metric in metrics]
        latest = {point[0]: point for point in points}  # in the order of the points, in which the UI shows its charts
        for point in sorted(points, key=AGE):
            latest[point[0]] = point
        statements = [
            (METRIC, points),
            (LATEST, list(latest.values())),
            (PARAM, [(param.key, param.value, run_id) for param in params]),
            (TAG, [(tag.key, tag.value, run_id) for tag in tags]),
            ("UPDATE runs SET name = ? WHERE run_uuid = ?", [(tag.value, run_id) for tag in tags if tag.key == NAME]),
        ]
        named = [*((key, "", "name") for key in latest), *((p.key, p.value, "param") for p in params)]
        plain = all(_is_plain(*each) for each in [*named, *((tag.key, tag.value, "tag") for tag in tags)])
        if not plain or not self.write(run_id, statements):  # MLflow's own error, or its own way to write it
            self.client.log_batch(run_id, of_mlflow(metrics), of_mlflow(params), of_mlflow(tags))

    def set_tag(self, run_id: str, key: str, value: str) -> None:
        """A tag; see `MlflowClient.set_tag`."""
        self.log_batch(run_id, tags=[RunTag(key, str(value))])

    def set_terminated(self, run_id: str, status: str) -> None:
        """The end of a run; see `MlflowClient.set_terminated`."""
        statement = "UPDATE runs SET status = ?, end_time = ? WHERE run_uuid = ?"
        if not self.write(run_id, [(statement, [(status, now(), run_id)])]):
            self.client.set_terminated(run_id, status)

    def update_run(self, run_id: str, status: str | None = None, name: str | None = None) -> None:
        """Another status or name; see `MlflowClient.update_run`."""
        statements: list[tuple[str, Sequence[Sequence[Any]]]] = []
        if status is not None:
            statements.append(("UPDATE runs SET status = ? WHERE run_uuid = ?", [(status, run_id)]))
        if name:
            statements.append(("UPDATE runs SET name = ? WHERE run_uuid = ?", [(name, run_id)]))
            statements.append((TAG, [(NAME, name, run_id)]))
        if not self.write(run_id, statements):
            self.client.update_run(run_id, status, name)


def _is_plain(name: Any, value: Any, kind: str) -> bool:
    """Whether MLflow surely accepts a name and a value as they are."""
    return isinstance(name, str) and _is_name(name) and isinstance(value, str) and len(value) <= LONGEST[kind]


@functools.lru_cache(1000)
def _is_name(name: str) -> bool:
    return len(name) <= LONGEST["name"] and PLAIN.fullmatch(name) is not None


def _point(metric: Any, run_id: str) -> tuple[Any, ...]:
    """A row of `metrics`: nan is 0 with a mark, infinity the largest number."""
    value = float(metric.value)
    if not math.isfinite(value):
        value = 0.0 if math.isnan(value) else math.copysign(LARGEST, value)
    return metric.key, value, metric.timestamp, run_id, metric.step, math.isnan(metric.value)
