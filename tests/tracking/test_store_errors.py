"""Tracking stores that cannot be used: a wrong address is refused before the training, other errors say what helps."""

import shutil
import sqlite3
from types import SimpleNamespace

import pytest

from framework.cli.command_line import execute
from framework.config.composition import compose
from framework.core.errors import ConfigError
from framework.tracking.addresses import fault_of_address
from framework.tracking.mlflow_client import quiet_mlflow
from framework.tracking.store_errors import store_fault

RUN = ["dataset=xor", "trainer.epochs=1"]


@pytest.mark.parametrize(
    "uri",
    [
        None,
        "",
        "sqlite:////tmp/x.db",
        "postgresql+psycopg2://ann:secret@host/db",
        "https://mlflow.example.org",
        "databricks",
        "./mlruns",
    ],
)
def test_a_store_that_mlflow_can_open(uri):
    assert fault_of_address(uri) == ""


def test_a_wrong_address_is_refused_before_the_training():
    with pytest.raises(ConfigError, match=r"^tracking.uri: MLflow has no store of this kind \(got 'foo://x'\)"):
        compose(["tracking=mlflow", "tracking.uri=foo://x"])
    assert compose(["tracking=none", "tracking.uri=foo://x"]).tracking.uri == "foo://x"
    fault = fault_of_address("psotgresql://ann:secret@host/db")
    assert fault.startswith(
        "MLflow has no store of this kind (got 'psotgresql://ann:***@host/db'); did you mean 'postgresql'?"
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            "UPDATE alembic_version SET version_num = 'ffff'",
            "its tables are of another version of MLflow (got ffff; this one has ",
        ),
        (
            "UPDATE experiments SET lifecycle_stage = 'deleted'",
            "its experiment 1 is deleted; restore it with mlflow experim",
        ),
    ],
)
def test_a_store_that_refuses_runs_says_what_helps(tmp_path, monkeypatch, capsys, change, reason):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STACKPROP_RUNS", raising=False)
    monkeypatch.setattr("framework.tracking.mlflow._opened", {})
    assert execute(RUN) == 0
    with sqlite3.connect("runs/mlflow.db") as connection:
        connection.execute(change)
    monkeypatch.setattr("framework.tracking.mlflow._opened", {})
    assert execute(RUN) == 0
    assert f"the tracking store cannot be used ({reason}" in capsys.readouterr().err
    monkeypatch.setattr("framework.tracking.mlflow._opened", {})
    assert execute(["doctor"]) == 1
    assert f": {reason}" in capsys.readouterr().err


def test_a_database_that_cannot_be_opened_is_left_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STACKPROP_RUNS", raising=False)
    (tmp_path / "folder.db").mkdir()
    naps = list[float]()
    monkeypatch.setattr("mlflow.store.db.utils.time", SimpleNamespace(sleep=naps.append))
    assert execute(["-m", *RUN, "seed=0,1,2", f"tracking.uri=sqlite:///{tmp_path}/folder.db"]) == 0
    assert 0 < len(naps) < 4  # MLflow would wait ten times, each time twice as long
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if "cannot be used" in line] == [
        "stackprop: the tracking store cannot be used (its database file cannot be opened or created)"
    ]
    assert not any("OperationalError" in line or "retried" in line for line in lines)
    assert lines[-1].endswith("(its database file cannot be opened or created); `stackprop doctor` sends the rest")


def test_a_folder_a_full_disk_and_a_missing_driver_are_named(tmp_path):
    with pytest.raises(Exception, match="maintenance") as refused:
        quiet_mlflow().MlflowClient(str(tmp_path / "mlruns"))
    assert store_fault(refused.value).startswith("MLflow records in a database, not in a folder any more")
    many = shutil.Error([("/tmp/model", "runs/model", "[Errno 28] No space left on device: 'runs/model'")] * 20)
    assert store_fault(many) == store_fault(sqlite3.OperationalError("database or disk is full")) == "the disk is full"
    missing = ModuleNotFoundError("No module named 'psycopg2'")
    assert store_fault(missing) == "this database needs a Python package: pip install psycopg2-binary"
    assert store_fault(PermissionError(13, "Permission denied", "runs/mlflow.db")) == "runs/mlflow.db: Permission denied"
    assert store_fault(ValueError("no http://ann:secret@host\nat all")) == "ValueError: no http://ann:***@host at all"
