"""The command as a person types it: real processes where a process is what matters, a real store."""

import json
import os
import signal
import subprocess
import time

import pytest
from shell import COMMAND, QUICK, interruptible, newest, stackprop, started

from framework.tracking.metrics_file import read_lines
from framework.tracking.mlflow import MlflowStore
from framework.tracking.options import Tracking

pytestmark = pytest.mark.slow  # processes of their own


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("shell")


def test_a_run_trains_records_and_says_where_to_look(place):
    done = started(place, *QUICK, "seed=1", PYTHONWARNINGS="default")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Warning" not in done.stdout
    assert "val/accuracy" in done.stdout
    folder = newest(place)
    assert f"written to {folder.relative_to(place)}" in done.stdout
    assert "stackprop ui" in done.stdout
    state = json.loads((folder / "run.json").read_text())
    assert state["status"] == "finished"
    assert 0 <= state["metrics"]["test/accuracy"] <= 1
    assert read_lines(folder / "metrics.jsonl")[0]["step"] == 1
    run = MlflowStore(Tracking(), place / "runs").client.get_run(state["mlflow_run_id"])
    assert (run.info.status, run.info.run_name) == ("FINISHED", "spirals n=40 hidden=4 epochs=2 seed=1")


def test_without_tracking_no_store_is_made_and_runs_can_lie_elsewhere(tmp_path):
    done = stackprop(tmp_path, *QUICK, "tracking=none", STACKPROP_RUNS=str(tmp_path / "elsewhere"))
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "runs").exists()
    assert [p.name for p in newest(tmp_path, "elsewhere/2*").glob("*.json*")]
    assert not (tmp_path / "elsewhere" / "mlflow.db").exists()


@pytest.mark.parametrize(  # many more: tests/config/test_wrong_requests.py
    ("words", "expected"),
    [
        (["model.hiden=3"], "model.hiden: unknown key; did you mean 'hidden'?"),
        (["+hydra.callbacks.x._target_=webbrowser.open"], "hydra.callbacks.x._target_: not allowed"),
    ],
)
def test_a_wrong_request_ends_with_status_2_in_words(tmp_path, words, expected):
    done = started(tmp_path, *words)
    assert done.returncode == 2
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("metrics.jsonl"))


def test_the_traceback_is_there_for_those_who_ask(tmp_path):
    assert "Traceback" in started(tmp_path, "+sed=3", HYDRA_FULL_ERROR="1").stderr


def test_a_diverging_run_ends_with_status_1(place):
    done = started(place, *QUICK, "optimizer=sgd", "optimizer.lr=1e30", "activation=linear")
    assert done.returncode == 1
    assert "the run failed: diverged: the loss or the gradient is no longer finite at step" in done.stderr
    assert json.loads((newest(place) / "run.json").read_text())["status"] == "diverged"


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_run_as_killed(place, sent, status):
    before = set(place.glob("runs/2*"))
    words = [*COMMAND, *QUICK, "trainer.epochs=10000000"]
    pipe = subprocess.PIPE
    process = subprocess.Popen(words, cwd=place, stdout=pipe, stderr=pipe, text=True, preexec_fn=interruptible)
    deadline = time.monotonic() + 60
    while not any((p / "metrics.jsonl").exists() for p in set(place.glob("runs/2*")) - before):
        assert time.monotonic() < deadline, process.poll()
        time.sleep(0.05)
    time.sleep(0.2)
    process.send_signal(sent)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == status, errors
    state = json.loads((newest(place) / "run.json").read_text())
    assert state["status"] == "killed"
    run = MlflowStore(Tracking(), place / "runs").client.get_run(state["mlflow_run_id"])
    assert run.info.status == "KILLED"


def test_a_sweep_is_flat_runs_under_one_tag(place):
    words = ["-m", *QUICK, "optimizer=sgd,adam", "optimizer.lr=0.1,0.01", "seed=range(2)"]
    done = started(place, *words, PYTHONWARNINGS="default")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Warning" not in done.stdout
    store, sweep = MlflowStore(Tracking(), place / "runs"), newest(place, "runs/sweep-*")
    found = store.client.search_runs([store.experiment_id], f"tags.sweep = '{sweep.name}'")
    runs = [run for run in found if run.data.tags.get("kind") != "sweep"]
    assert (len(runs), len(found)) == (8, 9)
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert not any("mlflow.parentRunId" in run.data.tags for run in runs)
    assert len({run.info.run_name for run in runs}) == 8
    assert "optimizer=sgd,optimizer.lr=0.1,seed=0" in {r.data.tags["sweep.overrides"].split("epochs=2,")[-1] for r in runs}
    assert sorted(p.name for p in sweep.glob("[0-9]*")) == [str(i) for i in range(8)]


def test_a_sweep_goes_on_when_a_job_fails_and_says_so(place):
    done = stackprop(place, "-m", *QUICK, "activation=linear,tanh", "optimizer=sgd", "optimizer.lr=1e30,0.1")
    assert done.returncode == 1
    states = [json.loads(p.read_text())["status"] for p in newest(place, "runs/sweep-*").glob("*/run.json")]
    assert sorted(states).count("finished") >= 2
    assert "diverged" in states
    assert "failed: job 0 (" in done.stderr


def test_a_bad_value_in_a_sweep_runs_no_job(place):
    before = set(place.glob("runs/*"))
    done = stackprop(place, "-m", *QUICK, "optimizer.lr=0.1,-1")
    assert done.returncode == 2
    assert "optimizer.lr: -1.0 must be above 0" in done.stderr
    assert "job 1 (" in done.stderr
    assert set(place.glob("runs/*")) == before


def test_layers_are_added_replaced_and_removed_from_the_shell(tmp_path):
    words = ["model.layers.drop={type:dropout,after:act}", "model.layers.drop.keep=0.9", "model.layers.flat=null"]
    done = stackprop(tmp_path, *QUICK, *words, "model.layers.hidden.bias=false", "tracking=none")
    assert done.returncode == 0, done.stderr
    assert '"grad_norm/out"' in (newest(tmp_path) / "metrics.jsonl").read_text()


def test_plugins_are_listed(tmp_path):
    done = stackprop(tmp_path, "plugins")
    assert done.returncode == 0
    assert "layer         dense                    framework_layers" in done.stdout


def test_a_command_leaves_the_environment_as_it_was(ask):
    before = dict(os.environ)
    assert ask("+sed=3")[0] == 2
    assert ask("dataset=sine", "dataset.n=20", "trainer.epochs=1", "tracking=none")[0] == 0
    assert {key for key in os.environ if key.startswith(("HYDRA", "STACKPROP")) and key not in before} == set()
