"""A tracking store that is lost in the middle of a sweep: it is not asked run by run, and gets everything later."""

import errno
import multiprocessing
import os
import signal
import sqlite3

import pytest

from framework.cli.command_line import execute
from framework.core.trust import trust_store
from framework.experiments.sync import sync_to_mlflow
from framework.sweeps.summary import log_best
from framework.tracking import allowance
from framework.tracking.allowance import StoreDownError, TimeBudget, is_outage
from framework.tracking.folders import walk
from framework.tracking.mlflow import MlflowRun
from framework.tracking.run_dir import find_run, find_sweep, read_state, read_sweep

pytestmark = pytest.mark.usefixtures("unrendered")

SWEEP = ["-m", "dataset=xor", "trainer.epochs=3", "seed=range(4)", "hydra.launcher.max_stack=1", "hydra.sweep.dir=runs/s"]


@pytest.fixture
def store(tmp_path, monkeypatch):
    """The address of a store that answers the first `store.up` requests, and how often it was asked after them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STACKPROP_RUNS", raising=False)
    monkeypatch.setattr("framework.tracking.mlflow._allowances", {})
    monkeypatch.setattr("framework.tracking.mlflow._opened", {})

    class Store:
        uri, up, refused = f"sqlite:///{tmp_path}/elsewhere.db", 10**9, 0

    def call(self, action, *args, **kwargs):
        Store.up -= 1
        if Store.up < 0:
            Store.refused += 1
            raise ConnectionError("refused")
        return action(*args, **kwargs)

    monkeypatch.setattr(TimeBudget, "_call", call)
    trust_store(Store.uri, Store.uri)
    return Store


def recover(store, monkeypatch):
    store.up = 10**9
    monkeypatch.setattr("framework.tracking.mlflow._allowances", {})
    monkeypatch.setattr("framework.tracking.mlflow._opened", {})


def names_of(tmp_path):
    with sqlite3.connect(tmp_path / "elsewhere.db") as connection:
        rows = connection.execute("SELECT name, status FROM runs WHERE lifecycle_stage = 'active' ORDER BY name")
        return rows.fetchall()


def test_a_store_lost_in_the_middle_is_asked_once_and_sent_later(store, tmp_path, monkeypatch, capsys):
    store.up = 12  # the first job, and some of the second
    assert execute([*SWEEP, f"tracking.uri={store.uri}"]) == 0
    printed = capsys.readouterr().err
    assert store.refused == 1
    assert printed.count("the tracking store cannot be used (ConnectionError: refused)") == 1
    assert "of 4 jobs are not in the tracking store" in printed
    assert "`stackprop doctor` sends the rest" in printed
    sweep = find_sweep("last")
    assert read_sweep(sweep)["tracked"] is False
    assert len(names_of(tmp_path)) < 5
    recover(store, monkeypatch)
    assert execute(["doctor"]) == 0
    printed = capsys.readouterr().out
    assert "its summary is now in the store" in printed
    assert names_of(tmp_path) == [("s", "FINISHED"), *[(f"seed={i}", "FINISHED") for i in range(4)]]
    assert read_sweep(sweep)["tracked"] is True
    assert all(read_state(folder)["tracked"] for folder in walk(tmp_path / "runs").runs)
    assert execute(["doctor"]) == 0
    assert "its summary" not in capsys.readouterr().out


def test_a_store_that_takes_no_files_gets_the_points(store, tmp_path, monkeypatch, capsys):
    def refuse(*_):
        raise PermissionError("no files")

    def stored():
        with sqlite3.connect(tmp_path / "elsewhere.db") as connection:
            return connection.execute("SELECT key, step, value FROM metrics ORDER BY key, step").fetchall()

    with monkeypatch.context() as patch:
        patch.setattr(MlflowRun, "_keep", refuse)
        assert execute(["dataset=xor", "trainer.epochs=3", f"tracking.uri={store.uri}"]) == 0
    assert capsys.readouterr().err.count("the tracking store cannot be used (PermissionError: no files)") == 1
    points = stored()
    assert ("train/loss", 3) in [point[:2] for point in points]
    folder = find_run("last", tmp_path / "runs")
    assert read_state(folder)["tracked"] is False
    assert execute(["doctor"]) == 0
    assert (stored(), read_state(folder)["tracked"]) == (points, True)
    assert any((tmp_path / "runs/artifacts").rglob("config.yaml"))


def test_a_summary_that_the_store_has_lost_is_sent_again(store, tmp_path, monkeypatch, capsys):
    assert execute([*SWEEP, f"tracking.uri={store.uri}"]) == 0
    with sqlite3.connect(tmp_path / "elsewhere.db") as connection:
        connection.execute("UPDATE experiments SET name = 'other' WHERE name = 'stackprop'")
    recover(store, monkeypatch)
    assert execute(["doctor"]) == 0
    assert "its summary is now in the store" in capsys.readouterr().out


def test_a_summary_whose_sweep_was_stopped_at_its_figure_is_sent_later(store, tmp_path, monkeypatch, capsys):
    def interrupted(*_):
        log_best(tmp_path / "runs/s", tmp_path / "runs")  # as a writer does meanwhile
        raise KeyboardInterrupt

    monkeypatch.setattr("framework.analysis.sweep_table.draw", interrupted)
    monkeypatch.setattr("framework.cli.command_line.ignore", lambda: None)  # this process goes on
    assert execute([*SWEEP, f"tracking.uri={store.uri}"]) == 130
    assert "`stackprop compare s` draws its figure, `stackprop doctor` sends its summary" in capsys.readouterr().err
    assert execute(["doctor"]) == 0
    assert "its summary is now in the store" in capsys.readouterr().out
    assert names_of(tmp_path) == [("s", "FINISHED"), *[(f"seed={i}", "FINISHED") for i in range(4)]]
    with sqlite3.connect(tmp_path / "elsewhere.db") as connection:
        assert connection.execute("SELECT count(*) FROM logged_models").fetchone() == (1,)


def test_the_summary_of_a_sweep_killed_at_its_figure_is_sent_later(store, tmp_path, monkeypatch, capsys):
    drawing = multiprocessing.get_context("fork").Process(target=execute, args=([*SWEEP, f"tracking.uri={store.uri}"],))

    def kill(*_):
        assert read_sweep(tmp_path / "runs/s")["sender"]["pid"] == os.getpid()
        os.kill(os.getpid(), signal.SIGSTOP)

    monkeypatch.setattr("framework.analysis.sweep_table.draw", kill)
    drawing.start()
    os.waitpid(drawing.pid, os.WUNTRACED)
    try:
        assert execute(["doctor"]) == 0
        assert "its summary" not in capsys.readouterr().out  # the command may still send it
    finally:
        drawing.kill()
        drawing.join()
    assert execute(["doctor"]) == 0
    assert "its summary is now in the store" in capsys.readouterr().out
    assert names_of(tmp_path) == [("s", "FINISHED"), *[(f"seed={i}", "FINISHED") for i in range(4)]]


def test_the_table_of_a_sweep_is_shown_on_a_full_disk(store, tmp_path, monkeypatch, capsys):
    def full(path, *_):
        raise OSError(errno.ENOSPC, "No space left on device", str(path / "sweep.json"))

    for module in ("framework.sweeps.summary", "framework.analysis.sweep_table"):
        monkeypatch.setattr(f"{module}.update_sweep", full)
    assert execute([*SWEEP, f"tracking.uri={store.uri}"]) == 0
    printed = capsys.readouterr()
    assert "val/loss" in printed.out
    assert "No space left on device" in printed.err


def test_a_store_that_is_back_at_the_end_gets_everything(store, tmp_path, monkeypatch, capsys):
    store.up = 12
    monkeypatch.setattr(allowance, "PAUSE", -1.0)  # as if a minute had passed
    real = TimeBudget._call

    def back(self, action, *args, **kwargs):
        if store.refused:
            store.up = 10**9
        return real(self, action, *args, **kwargs)

    monkeypatch.setattr(TimeBudget, "_call", back)
    assert execute([*SWEEP, f"tracking.uri={store.uri}"]) == 0
    assert "doctor` sends the rest" not in capsys.readouterr().err
    assert len(names_of(tmp_path)) == 5


def test_a_store_that_is_down_is_asked_once_for_many_runs(store, tmp_path, monkeypatch):
    store.up = 0
    assert execute([*SWEEP, f"tracking.uri={store.uri}"]) == 0
    assert store.refused == 1
    sent, unsent = sync_to_mlflow(tmp_path / "runs")
    assert (sent, len(unsent), store.refused) == ([], 4, 1)


def test_only_an_unreachable_store_is_left_alone():
    class RestException(Exception):  # noqa: N818  # MLflow's name: the server has answered
        error_code = "INTERNAL_ERROR"

    class OtherError(Exception):
        error_code = "TEMPORARILY_UNAVAILABLE"

    assert not is_outage(RestException())
    assert not is_outage(ValueError())
    for error in (OtherError(), ConnectionRefusedError(), StoreDownError()):
        assert is_outage(error)
