"""What the environment gives, and passwords, stay out of all that a run records; it can be taken up again all the same."""

import json
import os
import sqlite3

import pytest
import yaml

from framework.core.errors import ConfigError
from framework.core.secrets import masked, recorded, restored, withheld
from framework.experiments.loading import load
from framework.tracking.relocation import artifact_folder

pytestmark = pytest.mark.usefixtures("unrendered")

SECRET = "hunter2"
ADDRESS = f"http://ann:{SECRET}@127.0.0.1:9/mlflow"
QUICK = ["dataset=xor", "trainer.epochs=2", "trainer.batch_size=4", "trainer.checkpoint_every=1"]


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://ann:pw@host/a", "https://ann:***@host/a"),
        ("https://ann:p@w@host:1/a", "https://ann:***@host:1/a"),
        ("postgresql+psycopg2://u:p@h/db?sslmode=x", "postgresql+psycopg2://u:***@h/db?sslmode=x"),
        ("postgresql://mlflow:choose one@h/m", "postgresql://mlflow:***@h/m"),
        ("https://host/?token=abc&x=1", "https://host/?token=***&x=1"),
        ("mssql://h/db?user=a&password=b", "mssql://h/db?user=a&password=***"),
        ("https://host:5000/a@b", "https://host:5000/a@b"),
        ("sqlite:////home/me/all.db", "sqlite:////home/me/all.db"),
    ],
)
def test_the_password_of_an_address_is_masked(address, shown):
    assert masked(f"see {address} there") == f"see {shown} there"
    assert masked(shown) == shown


def test_what_the_environment_gave_is_recorded_as_a_reference(monkeypatch):
    monkeypatch.setenv("A", "1")
    monkeypatch.delenv("B", raising=False)
    raw = {"a": "${oc.env:A}", "b": "${oc.env:B,2}", "c": "x/${oc.env:A,0}/${oc.env:B,y}", "d": "${a}", "e": ["${oc.env:A}"]}
    raw |= {"f": "${oc.decode:${oc.env:A}}", "g": "${oc.env:B,${oc.env:A}}"}
    value = {"a": "1", "b": "2", "c": "x/1/y", "d": "1", "e": ["1"], "f": 1, "g": "1"}
    written = recorded(raw, value)
    A = "${oc.env:A}"
    assert written == {"a": A, "b": "2", "c": f"x/{A}/y", "d": A, "e": [A], "f": "${oc.decode:${oc.env:A}}", "g": A}
    assert restored(written, "config.yaml") == value
    monkeypatch.delenv("A")
    with pytest.raises(ConfigError, match=r"^config.yaml: a: its value came from the environment; set A"):
        restored(written, "config.yaml")


def test_a_password_is_not_swept():
    with pytest.raises(ConfigError, match=r"one address with a password at a time \(got http://ann:\*\*\*@"):
        withheld([f"tracking.uri={ADDRESS},{ADDRESS}"])


def everything(folder):
    """All bytes below a folder."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def down(monkeypatch):
    """A server that does not answer is given up at once."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


@pytest.mark.parametrize("how", ["typed", "from the environment", "in a preset"])
def test_no_password_is_left_by_a_run(ask, tmp_path, monkeypatch, down, how):
    words = []
    if how == "typed":
        words = [f"tracking.uri={ADDRESS}"]
    elif how == "in a preset":
        (tmp_path / "conf" / "experiment").mkdir(parents=True)
        text = f"# @package _global_\ntracking: {{uri: '{ADDRESS}'}}\n"
        (tmp_path / "conf" / "experiment" / "mine.yaml").write_text(text)
        words = ["--config-dir", "conf", "experiment=mine"]
    else:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", ADDRESS)
    status, out, told = ask(*QUICK, *words, "hydra.run.dir=runs/a")
    assert status == 0, told
    assert SECRET not in out + told
    assert SECRET.encode() not in everything(tmp_path / "runs")
    assert how == "from the environment" or "MLFLOW_TRACKING_URI" not in os.environ
    assert json.loads((tmp_path / "runs/a/run.json").read_text())["store"] == masked(ADDRESS)
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    assert load(tmp_path / "runs" / "a").weights  # a model needs no store
    status, out, told = ask("doctor")
    assert (status, SECRET in out + told) == (1, False)
    assert f"set MLFLOW_TRACKING_URI (it was {masked(ADDRESS)})" in told
    assert ask("report", "runs/a")[0] == 0
    assert SECRET.encode() not in everything(tmp_path / "runs")


def test_a_run_is_resumed_where_the_password_is_given_again(ask, tmp_path, monkeypatch, down):
    assert ask(*QUICK, f"tracking.uri={ADDRESS}", "hydra.run.dir=runs/a")[0] == 0
    path = tmp_path / "runs" / "a" / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "status": "killed"}))
    status, _, told = ask("resume", "runs/a")
    assert (status, "set MLFLOW_TRACKING_URI" in told) == (2, True), told
    monkeypatch.setenv("MLFLOW_TRACKING_URI", ADDRESS)
    status, _, told = ask("resume", "runs/a")
    assert (status, SECRET in told) == (0, False), told
    assert SECRET.encode() not in everything(tmp_path / "runs")


@pytest.mark.slow
def test_a_sweep_leaves_no_password_and_no_value_of_the_environment(ask, tmp_path, monkeypatch):
    monkeypatch.setenv("RATE", "0.0123")
    uri = f"sqlite:///file:{tmp_path}/all.db?token={SECRET}&uri=true"
    words = ["dataset=xor", "trainer.epochs=1", "optimizer.lr='${oc.decode:${oc.env:RATE}}'", f"tracking.uri={uri}"]
    status, out, told = ask("-m", *words, "seed=0,1", "hydra.sweep.dir=runs/s", "hydra.launcher.n_jobs=1")
    assert (status, SECRET in out + told) == (0, False), told
    left = everything(tmp_path / "runs")
    assert SECRET.encode() not in left
    assert b"0.0123" not in left
    config = yaml.safe_load((tmp_path / "runs/s/0/config.yaml").read_text())
    assert config["optimizer"]["lr"] == "${oc.decode:${oc.env:RATE}}"
    assert config["tracking"]["uri"] == "${oc.env:MLFLOW_TRACKING_URI}"
    with sqlite3.connect(tmp_path / "all.db") as store:
        rates = store.execute("select value from params where key = 'optimizer.lr'").fetchall()
        told = str([store.execute(f"select value from {table}").fetchall() for table in ("params", "tags")])
    assert rates == [("${oc.decode:${oc.env:RATE}}",)] * 2
    assert SECRET not in told
    assert ask("compare", "runs/s")[0] == 0
    monkeypatch.delenv("RATE")
    status, _, told = ask("evaluate", "runs/s/0")
    assert (status, "optimizer.lr: its value came from the environment; set RATE" in told) == (2, True), told


def test_runs_of_others_are_sent_nowhere_unless_trusted(ask, tmp_path, monkeypatch):
    assert ask(*QUICK, "tracking=none", "hydra.run.dir=runs/a")[0] == 0
    (tmp_path / "runs/a/config.yaml").write_text(f"tracking: {{uri: 'sqlite:///{tmp_path}/theirs.db'}}\n")
    path = tmp_path / "runs" / "a" / "run.json"
    for words in (("doctor",), ("resume", "runs/a")):
        status, _, told = ask(*words)
        assert "a store to which you have not sent runs before" in told
        assert status == (1 if words == ("doctor",) else 2)
        path.write_text(json.dumps({**json.loads(path.read_text()), "status": "killed"}))
    assert not (tmp_path / "theirs.db").exists()


@pytest.mark.slow
def test_runs_of_others_are_sent_with_trust(ask, tmp_path):
    assert ask(*QUICK, "tracking=none", "hydra.run.dir=runs/a")[0] == 0
    (tmp_path / "runs/a/config.yaml").write_text(f"tracking: {{uri: 'sqlite:///{tmp_path}/theirs.db'}}\n")
    assert ask("doctor", "--trust")[0] == 0
    assert (tmp_path / "theirs.db").exists()


@pytest.mark.slow
def test_artifacts_lie_below_the_folder_of_runs(ask, tmp_path):
    names = {"../../out": "%2E%2E%2F%2E%2E%2Fout", "/home/x": "%2Fhome%2Fx", "a/b": "a/b", "mine": "mine"}
    assert {name: artifact_folder(name) for name in names} == names
    assert ask(*QUICK, "tracking.experiment=../../out")[0] == 0
    assert not (tmp_path.parent / "out").exists()
    assert len(list((tmp_path / "runs" / "artifacts").iterdir())) == 1
