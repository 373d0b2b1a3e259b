"""Killed at any write, a run, a sweep or the doctor leaves what the doctor can put right.

The writes are counted where they take effect: a file gets its name or loses it, a line is appended, the store is told
something. The death is a real one: of a process that ends at once, without flushing, unlocking or closing anything.
"""

import contextlib
import importlib
import itertools
import json
import os
import shutil
import sqlite3
from pathlib import Path

import pytest
from effort import EFFORT

from framework.config.composition import compose
from framework.experiments.experiment import prepare
from framework.experiments.runner import run
from framework.tracking.folders import walk
from framework.tracking.metrics_file import read_lines
from framework.tracking.mlflow import KEY, MlflowStore
from framework.tracking.options import Tracking
from framework.tracking.run_dir import RunLocation, read_state
from framework.tracking.sqlite_client import SqliteClient

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the child is a fork")

RUN = [
    "dataset=wine",
    "dataset.scale=standard",
    "model.hidden=3",
    "trainer.epochs=2",
    "tracking.max_points=1000",
    "threads=1",
]
SWEEP = ["-m", *RUN, "trainer.batch_size=64,32", "hydra.sweep.dir=runs/s"]  # two stacks: one ends before the other begins
FILES, STORE = (
    ("replace", "rename", "unlink"),
    ("create_run", "log_batch", "set_terminated", "update_run", "set_tag", "delete_run"),
)
DEAD, ALIVE = 9, 0
# A run or the doctor dies at every third write, a sweep at every fifth; EFFORT=10: at each.
STEP_OF_RUN, STEP_OF_SWEEP = (1, 1) if EFFORT > 1 else (3, 5)


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """An empty store; to make one takes seconds."""
    runs = tmp_path_factory.mktemp("empty")
    MlflowStore(Tracking(), runs)
    return runs / "mlflow.db"


@pytest.fixture
def fresh(empty, tmp_path, monkeypatch):
    """Go to a new project, with an empty store or as a copy of another one."""
    numbers = itertools.count()

    def project(of=None):
        place = tmp_path / f"project{next(numbers)}"
        if of:
            shutil.copytree(of, place)
        (place / "runs").mkdir(parents=True, exist_ok=True)
        with (
            sqlite3.connect((of / "runs" / "mlflow.db") if of else empty) as old,
            sqlite3.connect(place / "runs" / "mlflow.db") as new,
        ):
            old.backup(new)
        monkeypatch.chdir(place)
        return place

    return project


def dies(work, write):
    """Whether a process of its own died of some work at a write, its first one being 0."""
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):  # the tests go on in the parent alone
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            lethal(write)
            work()
            os._exit(ALIVE)
        os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == DEAD


def lethal(write):
    """From now on the process ends at that write."""
    from mlflow import MlflowClient

    counted = itertools.count()
    for owner, names in ((Path, FILES), (MlflowClient, STORE), (SqliteClient, ("write",)), (os, ("write",))):
        for name in names:
            setattr(owner, name, counting(getattr(owner, name), counted, write))


def counting(action, counted, write):
    def counts(*args, **kwargs):
        if next(counted) == write:
            os._exit(DEAD)
        return action(*args, **kwargs)

    return counts


def check(place):
    """One run in the store for each record and each sweep, none of which goes on, and the points of the folder in it."""
    store = MlflowStore(Tracking(), place / "runs")
    found = store.search("")
    assert all(run.info.status != "RUNNING" for run in found), [
        (r.info.status, r.data.tags["stackprop.folder"]) for r in found
    ]
    jobs = {run.data.tags[KEY]: run for run in found if run.data.tags.get("kind") != "sweep"}
    jobs.pop("of nobody", None)
    records = {read_state(folder)["key"]: folder for folder in walk(place / "runs").records}
    assert jobs.keys() == records.keys()
    assert sum("kind" in run.data.tags for run in found) <= 1
    for key, folder in records.items():
        state, run = read_state(folder), jobs[key]
        assert (run.info.status, state["tracked"], state["mlflow_run_id"]) == (state["state"], True, run.info.run_id)
        points = [
            (n, p.step, p.value) for n in run.data.metrics for p in store.client.get_metric_history(run.info.run_id, n)
        ]
        lines = read_lines(folder / "metrics.jsonl") if (folder / "metrics.jsonl").exists() else []
        assert sorted(points) == sorted((n, line["step"], v) for line in lines for n, v in line.items() if n != "step")
    return [read_state(folder)["status"] for folder in records.values()]


def cured(ask, place):
    """What the doctor says, after whom all is well."""
    status, out, err = ask("doctor")
    assert status == 0, err
    check(place)
    return out


@pytest.mark.parametrize("write", [3, 9])
def test_a_run_killed_at_a_write_is_whole_after_the_doctor(ask, fresh, write):
    place = fresh()
    assert dies(lambda: ask(*RUN), write)
    cured(ask, place)


@pytest.fixture
def undrawn(monkeypatch):
    """Without figures, which take most of the time and are written after all else."""
    monkeypatch.setattr("framework.analysis.figures.draw", lambda *args: [])
    monkeypatch.setattr("framework.analysis.sweep_table.draw", lambda *args: args[-1])


@pytest.fixture
def warm(ask, fresh, undrawn):
    """This process has imported what the commands need and read the presets: each child would do so again."""
    for words in (RUN, SWEEP, ["doctor"]):
        fresh()
        assert ask(*words)[0] == 0
    importlib.import_module("mlflow")  # of `lethal`


@pytest.mark.slow
def test_a_run_killed_at_any_write_is_whole_after_the_doctor(ask, fresh, warm):
    for write in itertools.count(0, STEP_OF_RUN):
        place = fresh()
        died = dies(lambda: ask(*RUN), write)
        cured(ask, place)
        if not died:
            assert write > 12
            break


@pytest.mark.parametrize("write", [16])
def test_a_killed_sweep_is_whole_after_it_is_resumed(ask, fresh, undrawn, write):
    place = fresh()
    assert dies(lambda: ask(*SWEEP), write)
    status, _, err = ask("-m", "sweep.resume=s")
    assert status == 0, err
    statuses = check(place)
    assert statuses.count("finished") == 2


@pytest.mark.slow
@pytest.mark.parametrize("doctored", [False, True])  # in turns
def test_a_sweep_killed_at_any_write_is_whole_once_it_is_resumed(ask, fresh, warm, doctored):
    for write in itertools.count(STEP_OF_SWEEP * doctored, 2 * STEP_OF_SWEEP):
        place = fresh()
        died = dies(lambda: ask(*SWEEP), write)
        if doctored:
            cured(ask, place)
        if (place / "runs" / "s" / "sweep.json").exists():
            assert ask("-m", "sweep.resume=s")[0] == 0
            assert check(place).count("finished") == 2
        if not died:
            assert write > 24
            break


def trained(runs, name):
    """A run, without the figures that a single one leaves."""
    run(prepare(compose(RUN)), RunLocation(runs / name, runs, name, {"sweep": "none"}))


@pytest.fixture(scope="module")
def ill(empty, tmp_path_factory):
    """A project in which the doctor has something to do: a run lost, one that was not sent, one twice in the store."""
    runs = tmp_path_factory.mktemp("ill") / "runs"
    runs.mkdir()
    with sqlite3.connect(empty) as old, sqlite3.connect(runs / "mlflow.db") as new:
        old.backup(new)
    assert dies(lambda: trained(runs, "lost"), 10)
    for name in ("unsent", "twice"):
        trained(runs, name)
    unsent, twice = (read_state(runs / name) for name in ("unsent", "twice"))
    store = MlflowStore(Tracking(), runs)
    store.client.update_run(unsent["mlflow_run_id"], status="RUNNING")
    (runs / "unsent" / "run.json").write_text(json.dumps({**unsent, "tracked": False, "mlflow_run_id": None}))
    store.begin("twice", {}, {KEY: twice["key"], "stackprop.folder": str(runs / "twice")})
    store.begin("without a record", {}, {KEY: "of nobody", "stackprop.folder": str(runs / "gone")})
    return runs.parent


def test_the_doctor_says_what_it_puts_right(ask, fresh, ill):
    place = fresh(of=ill)
    out = cured(ask, place)
    for line in (
        "ended     ",
        "sent      runs/unsent",
        "a duplicate of 'twice'",
        "no process continues 'without a record'",
    ):
        assert line in out
    again = cured(ask, place)
    assert not any(word in again for word in ("ended", "sent ", "deleted"))


@pytest.mark.parametrize("write", [5])
def test_a_doctor_killed_at_a_write_is_followed_by_another(ask, fresh, ill, write):
    place = fresh(of=ill)
    assert dies(lambda: ask("doctor"), write)
    cured(ask, place)


@pytest.mark.slow
def test_a_doctor_killed_at_any_write_is_followed_by_another(ask, fresh, ill, undrawn):
    for write in itertools.count(0, STEP_OF_RUN):
        place = fresh(of=ill)
        died = dies(lambda: ask("doctor"), write)
        cured(ask, place)
        if not died:
            assert write > 5
            break
