"""Runs written with plain SQL are those that MLflow's client writes, row by row."""

import math
import os
import re
import shutil
import sqlite3

import pytest
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelOutput, Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from framework.core.errors import ConfigError
from framework.tracking import empty_store, mlflow_client
from framework.tracking.mlflow import MlflowStore
from framework.tracking.options import Tracking
from framework.tracking.sqlite_client import TABLES, SqliteClient, is_known
from framework.tracking.sqlite_models import EXPERIMENTS, MODELS

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


def modelled(client, folder, runs):
    """A run with a data set and a model in an experiment of its own; returns the ids of both."""
    experiment = client.create_experiment("other", artifact_location=(runs / "artifacts").as_uri(), tags={"a": "1"})
    assert client.get_experiment_by_name("other").experiment_id == experiment
    run_id = client.create_run(experiment, run_name="r", tags={"mlflow.user": "me"}).info.run_id
    for digest in ("d1", "d1", "d2"):
        about = Dataset("iris", digest, "stackprop", "{}", '{"x": "NF real"}', '{"train": 90}')
        client.log_inputs(run_id, [DatasetInput(about, [InputTag("mlflow.data.context", "training")])])
    model = client.create_logged_model(experiment, name="mlp-iris", source_run_id=run_id).model_id
    client.log_model_artifacts(model, str(folder))
    client.finalize_logged_model(model, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(model, step=0)])
    return run_id, model


def test_data_sets_and_models_are_those_mlflow_would_write(tmp_path, tmp_path_factory):
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "MLmodel").write_text("flavors: {}")
    stores = [MlflowStore(Tracking(), tmp_path_factory.mktemp("runs")) for _ in range(2)]
    clients = stores[0].client, stores[1].client.client
    found = [modelled(client, tmp_path, store.runs) for client, store in zip(clients, stores, strict=True)]
    ids = [dict(zip(("run", "model"), pair, strict=True)) for pair in found]
    assert plain_rows(stores[0], ids[0]) == plain_rows(stores[1], ids[1])
    client = stores[0].client.client
    run = client.get_run(found[0][0])
    assert [each.dataset.digest for each in run.inputs.dataset_inputs] == ["d1", "d2"]
    assert [output.model_id for output in run.outputs.model_outputs] == [found[0][1]]
    assert client.get_logged_model(found[0][1]).status == "READY"
    assert [file.path for file in client.list_logged_model_artifacts(found[0][1], "below")] == ["below/MLmodel"]


def plain_rows(store, ids):
    """table -> its rows, with names for what differs between two stores."""
    found, names = {}, {value: name for name, value in ids.items()} | {str(store.runs): "RUNS"}
    with sqlite3.connect(store.database) as connection:
        connection.row_factory = sqlite3.Row
        for uuid, digest in connection.execute("SELECT dataset_uuid, digest FROM datasets"):
            names[uuid] = digest
        for table in (*EXPERIMENTS, *MODELS):
            rows = [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]
            found[table] = sorted(repr({k: plain(k, v, names) for k, v in row.items()}) for row in rows)
    connection.close()
    return found


def plain(column, value, names):
    if "time" in column or column == "input_uuid":
        return value is not None
    for text, name in names.items():
        value = value.replace(text, name) if isinstance(value, str) else value
    return value


def test_a_run_is_read_as_by_the_public_client(store):
    ours, theirs = store.client, store.client.client
    run_id = recorded(ours, store.experiment_id)
    one, other = ours.get_run(run_id), theirs.get_run(run_id)
    for name in vars(one.info):
        assert getattr(one.info, name) == getattr(other.info, name)
    assert (one.data.params, one.data.tags) == (other.data.params, other.data.tags)
    assert repr(sorted(one.data.metrics.items())) == repr(sorted(other.data.metrics.items()))  # with nan
    points = [
        [repr((p.key, p.value, p.timestamp, p.step)) for p in c.get_metric_history(run_id, "val/loss")]
        for c in (ours, theirs)
    ]
    assert sorted(points[0]) == sorted(points[1])
    assert ours.ids_with_tag(store.experiment_id, "b", "") == store.client.ids_with_tag(store.experiment_id, "b", "")


@pytest.mark.slow
def test_a_new_store_is_the_one_mlflow_makes(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = []

    def make(path):
        made.append(path)
        mlflow_client._make(path)

    for name in ("a.db", "b.db"):
        assert empty_store.copied(tmp_path / name, make)
    mlflow_client._make(tmp_path / "c.db")
    assert len(made) == 1
    assert sorted(dump(tmp_path / "b.db")) == sorted(dump(tmp_path / "c.db"))
    assert empty_store.revision(tmp_path / "b.db")


def dump(database):
    """The words of the statements that make a database, without times; MLflow's migrations order constraints by chance."""
    connection = sqlite3.connect(database)
    lines = [re.sub(r"\b1[0-9]{12}\b", "TIME", line) for line in connection.iterdump()]
    connection.close()
    return [sorted(re.split(r"[\s,()]+", line)) for line in lines]


@pytest.mark.parametrize("size", [0, 40_000])
def test_a_damaged_template_is_made_again(tmp_path, monkeypatch, size):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    whole = tmp_path / "whole.db"
    mlflow_client.create(whole)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    template = empty_store.template(lambda path: shutil.copyfile(whole, path))
    template.write_bytes(template.read_bytes()[:size])
    assert not empty_store.copied(tmp_path / "new.db", None)
    assert not template.exists()
    assert not (tmp_path / "new.db").exists()


def test_an_empty_file_becomes_a_store(tmp_path):
    (tmp_path / "mlflow.db").touch()
    assert MlflowStore(Tracking(), tmp_path).begin("a", {}, {}).run_id


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.mkdir(), r"mlflow\.db: this is a folder, not a store; move it away"),
        (lambda path: path.write_bytes(b"x" * 5000), r"mlflow\.db: not a database; move it away"),
        (lambda path: sqlite3.connect(path).execute("CREATE TABLE a (b)").connection.commit(), "without MLflow's tables"),
    ],
)
def test_what_is_no_store_is_named(tmp_path, make, message):
    make(tmp_path / "mlflow.db")
    with pytest.raises(ConfigError, match=message):
        MlflowStore(Tracking(), tmp_path)


def test_without_a_cache_folder_mlflow_makes_each_store(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert empty_store.template(None) is None
    (tmp_path / "open" / "stackprop" / "stores").mkdir(parents=True)
    (tmp_path / "open" / "stackprop" / "stores").chmod(0o777)  # others may write to it
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "open"))
    assert not empty_store.copied(tmp_path / "a.db", None)


def test_a_store_of_another_revision_is_left_to_mlflow(store, tmp_path):
    with sqlite3.connect(store.database) as old, sqlite3.connect(tmp_path / "mlflow.db") as new:
        old.backup(new)
        new.execute("UPDATE alembic_version SET version_num = 'of the future'")
    new.close()
    with pytest.raises(MlflowException, match="schema"):
        MlflowStore(Tracking(), tmp_path)


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


def test_what_is_not_plain_is_written_by_mlflow(store):
    long = "x" * 9000
    run = store.begin("r", {"a:b": 1, "c": 2}, {"long": long, "a": "1"})
    run.points([("odd:name", 0.5, 0, 1), ("val/loss", 0.25, 0, 1)])
    run.end("FINISHED", {"b": long})
    found = store.client.client.get_run(run.run_id)
    assert not run.lost
    assert (found.data.params, found.data.metrics) == ({"a:b": "1", "c": "2"}, {"odd:name": 0.5, "val/loss": 0.25})
    assert (len(found.data.tags["long"]), len(found.data.tags["b"]), found.info.status) == (9000, 8000, "FINISHED")


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


def test_metrics_are_listed_in_the_order_of_their_points(store):
    run_id = store.client.create_run(store.experiment_id, run_name="order", tags={}).info.run_id
    names = ["train/loss", "grad_norm/total", "accuracy", "val/loss"]
    for step in (1, 2):
        store.client.log_batch(run_id, [Metric(name, -i, step, step) for i, name in enumerate(names)])
    assert list(store.client.get_run(run_id).data.metrics) == names
