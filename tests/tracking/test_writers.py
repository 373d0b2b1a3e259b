"""The tracking store, fed by a process beside the training."""

import contextlib
import itertools
import json
import os
import queue
import signal
import sqlite3
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from framework.config.composition import compose
from framework.experiments.experiment import prepare
from framework.experiments.runner import run_stack
from framework.experiments.sync import sync_to_mlflow
from framework.sweeps.session import SweepSession
from framework.tracking import sqlite_base
from framework.tracking.folders import walk
from framework.tracking.mlflow import KEY, MlflowStore
from framework.tracking.options import Tracking
from framework.tracking.run_dir import RunLocation
from framework.tracking.writer_lanes import WriterProcess
from framework.tracking.writer_server import WAIT, WriterServer, batch
from framework.tracking.writers import MlflowWriterPool, RemoteMlflowRun

pytestmark = pytest.mark.usefixtures("unrendered")

WORDS = ["dataset=spirals", "dataset.n=40", "model.hidden=4", "trainer.epochs=3", "device=cpu"]


@pytest.fixture(scope="module")
def feeder():
    process = MlflowWriterPool(lanes=2)
    yield process
    process.close()


def swept(runs, feeder, *words):
    """Three jobs of a sweep, as a stack."""
    found = [prepare(compose([*WORDS, *words, f"seed={s}"])) for s in range(3)]
    places = [RunLocation(runs / "sweep-1" / str(i), runs, f"job {i}", {"sweep": "sweep-1"}) for i in range(3)]
    run_stack(found, places, feeder=feeder)
    if feeder:
        feeder.settle()
    return [json.loads((place.folder / "run.json").read_text()) for place in places]


def content(runs):
    """name -> params, status and points, in a store."""
    store = MlflowStore(Tracking(), runs)
    told = {}
    for run in store.client.search_runs([store.experiment_id]):
        points = {
            name: [(p.step, p.value) for p in store.client.get_metric_history(run.info.run_id, name)]
            for name in run.data.metrics
        }
        files = sorted(file.path for file in store.client.list_artifacts(run.info.run_id))
        own = ("mlflow.", "stackprop.folder", KEY)
        tags = {key: value for key, value in run.data.tags.items() if not key.startswith(own)}
        assert run.info.run_name not in told  # nothing twice
        told[run.info.run_name] = run.data.params, run.info.status, points, files, tags
    return told


@pytest.mark.slow
def test_a_fed_store_holds_what_it_would_hold(tmp_path, feeder):
    states = swept(tmp_path / "fed", feeder)
    swept(tmp_path / "own", None)
    assert content(tmp_path / "fed") == content(tmp_path / "own")
    assert len(content(tmp_path / "fed")) == 3
    assert all(state["tracked"] for state in states)
    client = MlflowStore(Tracking(), tmp_path / "fed").client
    assert [client.get_run(state["mlflow_run_id"]).info.run_name for state in states] == ["job 0", "job 1", "job 2"]


def test_a_store_that_is_down_costs_nothing_but_its_runs(tmp_path, feeder):
    (tmp_path / "file").write_text("no folder")
    states = swept(tmp_path, feeder, f"tracking.uri=sqlite:///{tmp_path}/file/store.db")
    assert [(state["status"], state["tracked"]) for state in states] == [("finished", False)] * 3
    assert all((tmp_path / "sweep-1" / str(i) / "metrics.jsonl").stat().st_size for i in range(3))


def test_what_a_killed_feeder_did_not_send_is_sent_later_and_nothing_twice(tmp_path):
    feeder = MlflowWriterPool()
    swept(tmp_path, feeder)
    feeder.close()
    whole = content(tmp_path)
    state = json.loads((tmp_path / "sweep-1" / "1" / "run.json").read_text())
    # As it is when the process dies before it has said what the run's id is, and that it has ended.
    (tmp_path / "sweep-1" / "1" / "run.json").write_text(json.dumps({**state, "tracked": False, "mlflow_run_id": None}))
    sync_to_mlflow(tmp_path)
    assert content(tmp_path) == whole
    assert len(walk(tmp_path).runs) == len(whole) == 3


@pytest.mark.parametrize("copy", [False, True])
def test_a_feeder_that_is_gone_does_not_stop_the_training(tmp_path, copy):
    feeder = MlflowWriterPool(local=copy, forks=copy)
    os.kill(feeder.lanes[0].process.pid, signal.SIGKILL)
    feeder.lanes[0].process.join()
    states = swept(tmp_path, feeder)
    assert [(state["status"], state["tracked"]) for state in states] == [("finished", False)] * 3
    sent, unsent = feeder.call(sync_to_mlflow, tmp_path)
    assert (len(sent), unsent) == (3, [])
    assert len(content(tmp_path)) == 3
    feeder.close()
    assert feeder.lanes[0].requests._joincancelled  # or this process would never end


def rows_of(runs):
    """What a store has of the runs, their points and tags, by name."""
    with contextlib.closing(sqlite3.connect(runs / "mlflow.db")) as store:
        points = store.execute("SELECT name, key, step, value FROM runs JOIN metrics USING (run_uuid) ORDER BY 1, 2, 3")
        params = store.execute("SELECT name, key, value FROM runs JOIN params USING (run_uuid) ORDER BY 1, 2")
        return points.fetchall(), params.fetchall(), store.execute("SELECT name, status FROM runs ORDER BY 1").fetchall()


def test_a_copy_of_the_process_writes_what_a_thread_writes(tmp_path):
    for name, forks in (("thread", False), ("copy", True)):
        feeder = MlflowWriterPool(local=True, forks=forks)
        states = swept(tmp_path / name, feeder)
        feeder.close()
        assert all(state["tracked"] and state["mlflow_run_id"] for state in states)
    assert rows_of(tmp_path / "copy") == rows_of(tmp_path / "thread")
    assert rows_of(tmp_path / "copy")[2] == [(f"job {i}", "FINISHED") for i in range(3)]


def test_a_function_is_called_where_the_store_is_written():
    feeder = MlflowWriterPool(local=True, forks=True)
    assert feeder.call(os.getpid) == feeder.lanes[0].process.pid != os.getpid()
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        feeder.call(divmod, 1, 0)
    feeder.submit(divmod, 1, 0)  # its error belongs to nobody
    feeder.close()
    assert not feeder.lanes[0].process.is_alive()


def test_a_writer_ends_without_a_commit_when_its_parent_is_gone(tmp_path):
    """A new command may already send the same runs."""
    reads, writes = os.pipe()
    if (parent := os.fork()) == 0:
        feeder = MlflowWriterPool(local=True, forks=True)
        os.write(writes, str(feeder.lanes[0].process.pid).encode())
        feeder.begin(Tracking(), tmp_path, "lost", {"a": 1}, {KEY: "k"})
        feeder.lanes[0].requests._thread.join(WAIT / 4)  # the request has left, and waits to be joined by others
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(parent, 0)
    writer = int(os.read(reads, 20))
    end = time.monotonic() + 60
    while time.monotonic() < end and Path(f"/proc/{writer}").exists() and "Z" not in state_of(writer):
        time.sleep(0.02)
    assert MlflowStore(Tracking(), tmp_path).listed() == []


def state_of(process):
    """The state of a process, as Linux names it."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    return "Z"


def test_requests_that_arrive_together_are_one_batch():
    requests = queue.SimpleQueue()
    for number, what in enumerate(["begin", "points", "end", "flush", "begin"]):
        requests.put((number, what, ()))
    assert [what for _, what, _ in batch(requests, 500)] == ["begin", "points", "end", "flush"]
    assert [what for _, what, _ in batch(requests, 1)] == ["begin"]
    with pytest.raises(queue.Empty):
        batch(requests, 500, timeout=0)


def test_many_runs_are_one_transaction_and_all_lost_if_it_fails(tmp_path, monkeypatch, capsys):
    desk, real = WriterServer(), sqlite_base.at_once
    begin = [(number, "begin", (Tracking(), tmp_path, f"job {number}", {"a": 1}, {KEY: f"k{number}"})) for number in (1, 2)]
    end = [(number + 2, "end", (number, [[("loss", 0.5, 1, 9)]], "FINISHED", {})) for number in (1, 2)]

    def full(statement, rows):
        if "end_time = ?" in statement:
            raise sqlite3.OperationalError("database or disk is full")
        return real(statement, rows)

    with monkeypatch.context() as patch:
        patch.setattr(sqlite_base, "at_once", full)
        assert desk.recorded([*begin, *end]) == {1: None, 2: None, 3: None, 4: None}
    assert (desk.runs, MlflowStore(Tracking(), tmp_path).listed()) == ({}, [])
    assert "disk is full" in capsys.readouterr().err
    found = desk.recorded([*begin, *end])
    assert (found[3], found[4]) == (True, True)
    assert [(run.run_id, run.status) for run in MlflowStore(Tracking(), tmp_path).listed()] == [
        (found[number], "FINISHED") for number in (1, 2)
    ]


def test_runs_of_earlier_stacks_are_settled_while_others_train():
    feeder, settled = MlflowWriterPool(local=True), []
    known, unknown = (SimpleNamespace(is_answered=value) for value in (True, False))
    feeder.settlements += [(lambda: settled.append("known"), known), (lambda: settled.append("unknown"), unknown)]
    feeder.settle_known()
    assert settled == ["known"]
    feeder.close()
    assert settled == ["known", "unknown"]


def test_each_question_keeps_its_own_number_while_other_threads_ask():
    lane, put = object.__new__(WriterProcess), []

    class Requests:
        def put(self, message):
            put.append(message)
            if len(put) == 1:
                lane.ask("points")  # of another thread, before the first has its number

    lane.numbers, lane.requests = itertools.count(1), Requests()
    assert lane.ask("end") == put[0][0] != put[1][0]


def test_a_feeder_whose_last_wait_is_interrupted_is_closed_all_the_same():
    def interrupted():
        raise KeyboardInterrupt

    feeder = MlflowWriterPool()
    feeder.settlements.append((interrupted, None))
    with pytest.raises(KeyboardInterrupt):
        feeder.close()
    assert not feeder.lanes[0].process.is_alive()


def test_beside_a_thread_that_writes_a_summary_is_written_here():
    session = SweepSession(writers=MlflowWriterPool(local=True))  # that thread would wait for the lock of Hydra
    assert session.call(threading.current_thread) is threading.current_thread()
    session.close()


def test_an_empty_part_is_not_kept_until_the_next_transfer():
    asked = []
    run = RemoteMlflowRun(SimpleNamespace(ask=lambda *words: asked.append(words)), 1)
    run.patience = 60
    for _ in range(3):
        run.points([])
    run.points([("loss", 1.0, 1, 0)])
    run.send()
    run.patience = -1
    run.points([])  # it is late: what waits is sent
    assert [words[2] for words in asked] == [[[("loss", 1.0, 1, 0)]], []]
