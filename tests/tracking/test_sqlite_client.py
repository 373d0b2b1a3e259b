"""Runs written with plain SQL are those that MLflow's client writes, row by row."""

import math
import os
import sqlite3

import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from framework.tracking.mlflow import MlflowStore
from framework.tracking.options import Tracking
from framework.tracking.sqlite_client import TABLES, SqliteClient, is_known

NAN, INF = math.nan, math.inf
ANY = ("run_uuid", "artifact_uri", "start_time", "end_time")  # differ between two runs


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return MlflowStore(Tracking(), tmp_path_factory.mktemp("runs"))


def recorded(client, experiment):
    """A run with all that a run may have; returns its id."""
    run_id = client.create_run(experiment, run_name="lr=0.1", tags={"mlflow.user": "me", "a": "1"}).info.run_id
    client.log_batch(run_id, params=[Param("x.y", "1"), Param("text", "é" * 50)])
    points = [Metric("val/loss", v, 1000 + i, i) for i, v in enumerate((0.5, NAN, 0.25, INF, -INF))]
    client.log_batch(
        run_id, metrics=[*points, Metric("same", 1.0, 5, 3), Metric("same", 2.0, 5, 3), Metric("same", 0.5, 9, 2)]
    )
    client.log_batch(run_id, metrics=[points[0], Metric("val/loss", 0.1, 2000, 2)], tags=[RunTag("a", "2"), RunTag("b", "")])
    client.log_batch(run_id, params=[Param("x.y", "1"), Param("z", "3")])
    client.set_tag(run_id, "note", "long " * 100)
    client.update_run(run_id, status="RUNNING")
    client.update_run(run_id, name="other")
    client.set_tag(run_id, "mlflow.runName", "third")
    client.set_terminated(run_id, "FINISHED")
    return run_id


def rows(store, run_id):
    """table -> its rows of a run, without what differs between two runs."""
    found = {}
    with sqlite3.connect(store.database) as connection:
        connection.row_factory = sqlite3.Row
        for table in TABLES:
            each = [dict(row) for row in connection.execute(f"SELECT * FROM {table} WHERE run_uuid = ?", (run_id,))]
            kept = [{k: v is not None if k in ANY else v for k, v in row.items()} for row in each]
            found[table] = sorted(kept, key=repr)
    connection.close()
    return found


def test_all_tables_hold_what_mlflow_would_write(store):
    assert isinstance(store.client, SqliteClient)
    ours, theirs = (rows(store, recorded(client, store.experiment_id)) for client in (store.client, store.client.client))
    assert ours == theirs


def test_the_public_client_reads_what_was_written(store):
    run_id, client = recorded(store.client, store.experiment_id), store.client.client
    run = client.get_run(run_id)
    assert (run.info.run_name, run.info.status, run.data.params["z"]) == ("third", "FINISHED", "3")
    assert run.info.artifact_uri == f"{client.get_experiment(store.experiment_id).artifact_location}/{run_id}/artifacts"
    assert [p.step for p in client.get_metric_history(run_id, "val/loss")] == [0, 1, 2, 3, 4, 2]


@pytest.mark.parametrize("metric", [Metric("a\nb", 1.0, 0, 0), Metric("x" * 300, 1.0, 0, 0)])
def test_a_name_that_mlflow_rejects_is_rejected(store, metric):
    run_id = store.client.create_run(store.experiment_id, run_name="r", tags={}).info.run_id
    with pytest.raises(MlflowException):
        store.client.log_batch(run_id, metrics=[metric])


def test_a_deleted_run_takes_nothing_more(store):
    run_id = recorded(store.client, store.experiment_id)
    store.client.delete_run(run_id)
    for write in (lambda: store.client.set_tag(run_id, "a", "b"), lambda: store.client.set_terminated(run_id, "FAILED")):
        with pytest.raises(MlflowException):
            write()


def test_other_tables_are_left_to_mlflow(store, tmp_path):
    with sqlite3.connect(store.database) as old, sqlite3.connect(tmp_path / "mlflow.db") as new:
        old.backup(new)
        assert is_known(tmp_path / "mlflow.db")
        new.execute("ALTER TABLE runs ADD COLUMN more TEXT")
    assert not is_known(tmp_path / "mlflow.db")
    assert isinstance(MlflowStore(Tracking(), tmp_path).client, MlflowClient)


def test_a_fork_opens_the_database_again(store):
    run_id = store.client.create_run(store.experiment_id, run_name="r", tags={}).info.run_id
    child = os.fork()
    if not child:
        store.client.set_tag(run_id, "from", "the child")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    store.client.set_tag(run_id, "of", "the parent")
    assert {"from", "of"} <= store.client.get_run(run_id).data.tags.keys()
