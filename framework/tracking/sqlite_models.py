"""What a local store holds beside runs: experiments, data sets, and models. As `sqlite_client`, with plain SQL."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from framework.tracking.entities import DatasetInput, LoggedModelOutput, Metric, of_mlflow
from framework.tracking.local_artifacts import LocalArtifacts, is_local
from framework.tracking.sqlite_base import SqliteBase, has_tables, now

EXPERIMENTS = {
    "experiments": "experiment_id name artifact_location lifecycle_stage creation_time last_update_time workspace",
    "experiment_tags": "key value experiment_id",
}
MODELS = {
    "datasets": "dataset_uuid experiment_id name digest dataset_source_type dataset_source dataset_schema dataset_profile",
    "inputs": "input_uuid source_type source_id destination_type destination_id step",
    "input_tags": "input_uuid name value",
    "logged_models": "model_id experiment_id name artifact_location creation_timestamp_ms last_updated_timestamp_ms status "
    "lifecycle_stage model_type source_run_id status_message",
}
EXPERIMENT = (
    "INSERT INTO experiments (name, artifact_location, lifecycle_stage, creation_time, last_update_time, workspace) "
    "VALUES (?, ?, 'active', ?, ?, 'default')"
)
TAG = "INSERT INTO experiment_tags (key, value, experiment_id) SELECT ?, ?, experiment_id FROM experiments WHERE name = ?"
DATASET = (
    "INSERT OR IGNORE INTO datasets (dataset_uuid, name, digest, dataset_source_type, dataset_source, dataset_schema, "
    "dataset_profile, experiment_id) SELECT ?, ?, ?, ?, ?, ?, ?, experiment_id FROM runs WHERE run_uuid = ?"
)
INPUT = (
    "INSERT OR IGNORE INTO inputs (input_uuid, source_type, source_id, destination_type, destination_id, step) "
    "VALUES (?, ?, ?, ?, ?, ?)"
)
INPUT_TAG = "INSERT INTO input_tags (input_uuid, name, value) VALUES (?, ?, ?)"
MODEL = (
    "INSERT INTO logged_models (model_id, experiment_id, name, artifact_location, creation_timestamp_ms, "
    "last_updated_timestamp_ms, status, lifecycle_stage, source_run_id) VALUES (?, ?, ?, ?, ?, ?, 1, 'active', ?)"
)
READY = "UPDATE logged_models SET status = 2, last_updated_timestamp_ms = ? WHERE model_id = ?"


class SqliteModels(SqliteBase):
    """Experiments, data sets and models of a local store."""

    def __init__(self, make: Callable[[], Any], database: Path) -> None:
        super().__init__(make, database)
        self.locations: dict[str, str] = {}  # experiment -> where its artifacts lie

    @functools.cached_property
    def has_models(self) -> bool:
        """Whether its tables of data sets and models are those known here."""
        return has_tables(self.database, MODELS)

    def location(self, experiment_id: str) -> str | None:
        """Where the artifacts of an experiment lie; None unless it exists and was not deleted."""
        if experiment_id not in self.locations:
            query = "SELECT artifact_location FROM experiments WHERE experiment_id = ? AND lifecycle_stage = 'active'"
            found = self.read(query, int(experiment_id))
            if not found:
                return None
            self.locations[experiment_id] = str(found[0][0]).rstrip("/")
        return self.locations[experiment_id]

    def get_experiment_by_name(self, name: str) -> Any:
        """An experiment, or None; see `MlflowClient.get_experiment_by_name`."""
        found = self.read("SELECT experiment_id FROM experiments WHERE name = ?", name)
        if len(found) == 1 and self.location(str(found[0][0])):
            return SimpleNamespace(experiment_id=str(found[0][0]), name=name)
        return self.client.get_experiment_by_name(name) if found else None

    def create_experiment(self, name: str, artifact_location: str, tags: Mapping[str, str]) -> str:
        """A new experiment; see `MlflowClient.create_experiment`."""
        if not (
            has_tables(self.database, EXPERIMENTS)
            and name.isprintable()
            and 0 < len(name) <= 250
            and len(artifact_location) < 500
        ):
            return str(self.client.create_experiment(name, artifact_location=artifact_location, tags=tags))
        at, values = now(), [(key, value, name) for key, value in tags.items()]
        self.write("", [(EXPERIMENT, [(name, artifact_location, at, at)]), (TAG, values)])
        return str(self.read("SELECT experiment_id FROM experiments WHERE name = ?", name)[0][0])

    def get_run(self, run_id: str) -> Any:
        """A run; see `MlflowClient.get_run`."""
        columns = "experiment_id, name, status, lifecycle_stage, artifact_uri, start_time, end_time"
        found = self.read(f"SELECT {columns} FROM runs WHERE run_uuid = ?", run_id) if self.has_models else []
        if not found:
            return self.client.get_run(run_id)
        experiment, name, status, stage, artifacts, start, end = found[0]
        info = SimpleNamespace(run_id=run_id, experiment_id=str(experiment), run_name=name, status=status)
        info.lifecycle_stage, info.artifact_uri, info.start_time, info.end_time = stage, artifacts, start, end
        params, tags = (
            dict(self.read(f"SELECT key, value FROM {table} WHERE run_uuid = ?", run_id)) for table in ("params", "tags")
        )
        metrics = self.read("SELECT key, value, is_nan FROM latest_metrics WHERE run_uuid = ?", run_id)
        latest = {key: float("nan") if is_nan else value for key, value, is_nan in metrics}
        query = "SELECT destination_id, step FROM inputs WHERE source_type = 'RUN_OUTPUT' AND source_id = ?"
        outputs = SimpleNamespace(model_outputs=[LoggedModelOutput(*row) for row in self.read(query, run_id)])
        data = SimpleNamespace(params=params, tags=tags, metrics=latest)
        return SimpleNamespace(info=info, data=data, outputs=outputs)

    def get_metric_history(self, run_id: str, key: str) -> list[Metric]:
        """The points of a series; see `MlflowClient.get_metric_history`."""
        query = "SELECT value, timestamp, step, is_nan FROM metrics WHERE run_uuid = ? AND key = ? ORDER BY timestamp, step"
        rows = self.read(query, run_id, key)
        return [Metric(key, float("nan") if is_nan else value, when, step) for value, when, step, is_nan in rows]

    def ids_with_tag(self, experiment_id: str, key: str, value: str) -> list[str]:
        """The runs of an experiment with a tag, unless deleted, the oldest first."""
        query = (
            "SELECT r.run_uuid FROM tags t JOIN runs r ON r.run_uuid = t.run_uuid WHERE t.key = ? AND t.value = ? "
            "AND r.experiment_id = ? AND r.lifecycle_stage = 'active' ORDER BY r.start_time, r.run_uuid"
        )
        return [str(row[0]) for row in self.read(query, key, value, int(experiment_id))]

    def log_artifact(self, run_id: str, path: str, folder: str | None = None) -> None:
        """A file of a run; see `MlflowClient.log_artifact`."""
        found = self.read("SELECT artifact_uri FROM runs WHERE run_uuid = ?", run_id)
        if not found or not is_local(found[0][0]):
            self.client.log_artifact(run_id, path, folder)
        else:
            LocalArtifacts(found[0][0]).log_artifact(path, folder)

    def log_inputs(self, run_id: str, datasets: Sequence[DatasetInput]) -> None:
        """The data sets of a run; see `MlflowClient.log_inputs`."""
        found = [each.dataset for each in datasets]
        about = [(d.name, d.digest, d.source_type, d.source, d.schema, d.profile) for d in found]
        rows = [(uuid.uuid4().hex, *each, run_id) for each in about]
        if not (self.has_models and self.write(run_id, [(DATASET, rows)])):
            self.client.log_inputs(run_id, of_mlflow(datasets))
            return
        for each in datasets:
            query = "SELECT dataset_uuid FROM datasets WHERE name = ? AND digest = ? AND experiment_id = "
            query += "(SELECT experiment_id FROM runs WHERE run_uuid = ?)"
            known, own = self.read(query, each.dataset.name, each.dataset.digest, run_id)[0][0], uuid.uuid4().hex
            if not self.read("SELECT 1 FROM inputs WHERE source_id = ? AND destination_id = ?", known, run_id):
                tags = [(own, tag.key, tag.value) for tag in each.tags]
                row = (own, "DATASET", known, "RUN", run_id, 0)
                self.write(run_id, [(INPUT, [row]), (INPUT_TAG, tags)])

    def create_logged_model(self, experiment_id: str, name: str, source_run_id: str) -> Any:
        """A new model; see `MlflowClient.create_logged_model`."""
        location, model_id = self.location(experiment_id), f"m-{uuid.uuid4().hex}"
        if location is None or not self.has_models or not is_local(location):
            return self.client.create_logged_model(experiment_id, name=name, source_run_id=source_run_id)
        at, artifacts = now(), f"{location}/models/{model_id}/artifacts"
        row = (model_id, int(experiment_id), name, artifacts, at, at, source_run_id)
        self.write("", [(MODEL, [row])])
        return SimpleNamespace(model_id=model_id, artifact_location=artifacts)

    def log_model_artifacts(self, model_id: str, folder: str) -> None:
        """The files of a model; see `MlflowClient.log_model_artifacts`."""
        query = "SELECT artifact_location FROM logged_models WHERE model_id = ?"
        found = self.read(query, model_id) if self.has_models else []
        if not found or not is_local(found[0][0]):
            self.client.log_model_artifacts(model_id, folder)
        else:
            LocalArtifacts(found[0][0]).log_artifacts(folder)

    def finalize_logged_model(self, model_id: str, status: str) -> None:
        """A model is complete; see `MlflowClient.finalize_logged_model`."""
        if not self.has_models or status != "READY":
            self.client.finalize_logged_model(model_id, status)
        else:
            self.write("", [(READY, [(now(), model_id)])])

    def log_outputs(self, run_id: str, models: Sequence[LoggedModelOutput]) -> None:
        """The models that a run has made; see `MlflowClient.log_outputs`."""
        rows = [(uuid.uuid4().hex, "RUN_OUTPUT", run_id, "MODEL_OUTPUT", model.model_id, model.step) for model in models]
        if not (self.has_models and self.write(run_id, [(INPUT, rows)])):
            self.client.log_outputs(run_id, of_mlflow(models))
