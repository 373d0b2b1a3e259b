"""A run that died is taken up again, and what its store missed is sent."""

import json
import os
import random
import shutil
import signal
import time

import pytest
from shell import QUICK, forked, newest, stackprop

from framework.tracking.metrics_file import read_lines
from framework.tracking.mlflow import MlflowStore
from framework.tracking.options import Tracking

pytestmark = pytest.mark.slow

LONG = [*QUICK, "trainer.epochs=400", "trainer.checkpoint_every=50", "seed=4", "probes=layers"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("resume")


@pytest.fixture(scope="module")
def whole(place):
    """The run that nobody disturbed."""
    assert stackprop(place, *LONG, UNRENDERED="1").returncode == 0
    return newest(place)


def killed(place, seconds):
    """A run that is killed so long after its first line of metrics."""
    before = set(place.glob("runs/2*"))
    process = forked(place, *LONG, UNRENDERED="1")
    while not any(list(p.glob("checkpoint.npz")) for p in set(place.glob("runs/2*")) - before):
        assert process.poll() is None
        time.sleep(0.005)
    time.sleep(seconds)
    os.kill(process.pid, signal.SIGKILL)
    process.end()
    return newest(place)


def history(store, folder):
    run_id = json.loads((folder / "run.json").read_text())["mlflow_run_id"]
    run = store.client.get_run(run_id)
    points = {k: sorted((m.step, m.value) for m in store.client.get_metric_history(run_id, k)) for k in run.data.metrics}
    return run.info.status, points


@pytest.mark.parametrize("seconds", [random.Random(i).uniform(0, 0.35) for i in range(2)])
def test_a_killed_run_resumed_equals_the_undisturbed_one_in_folder_and_store(place, whole, seconds):
    folder = killed(place, seconds)
    if json.loads((folder / "run.json").read_text())["status"] == "running":
        done = stackprop(place, "resume", folder.name)
        assert done.returncode == 0, done.stderr
    assert (folder / "metrics.jsonl").read_bytes() == (whole / "metrics.jsonl").read_bytes()
    store = MlflowStore(Tracking(), place / "runs")
    assert history(store, folder) == history(store, whole)


def test_a_run_whose_process_is_gone_is_ended_by_the_doctor(place, whole):
    folder = killed(place, 0.02)
    store = MlflowStore(Tracking(), place / "runs")
    assert history(store, folder)[0] == "RUNNING"
    done = stackprop(place, "doctor")
    assert "its process was killed" in done.stdout
    assert json.loads((folder / "run.json").read_text())["status"] == "lost"
    assert history(store, folder)[0] == "FAILED"
    again = stackprop(place, "resume", str(folder))
    assert again.returncode == 0, again.stderr
    assert history(store, folder) == history(store, whole)


def test_a_lost_store_is_filled_again_from_the_folders(whole, place, tmp_path):
    shutil.copytree(whole, tmp_path / "runs" / whole.name)
    done = stackprop(tmp_path, "doctor")
    assert f"sent      runs/{whole.name}" in done.stdout, done.stderr
    filled = history(MlflowStore(Tracking(), tmp_path / "runs"), tmp_path / "runs" / whole.name)
    assert filled == history(MlflowStore(Tracking(), place / "runs"), whole)


def test_a_tracking_server_that_is_down_costs_no_result(tmp_path):
    done = stackprop(tmp_path, *QUICK, "tracking.uri=http://127.0.0.1:9", MLFLOW_HTTP_REQUEST_MAX_RETRIES="0")
    assert done.returncode == 0, done.stderr
    assert "the tracking store cannot be used" in done.stderr
    assert "val/accuracy" in done.stdout
    assert len(read_lines(newest(tmp_path) / "metrics.jsonl")) > 3


def test_what_cannot_be_resumed_is_told(place, whole):
    for words, expected in (
        (["resume", whole.name], "the run has ended (finished); to train longer: stackprop resume"),
        (["resume", "nowhere"], "unknown run 'nowhere' in runs"),
    ):
        done = stackprop(place, *words)
        assert done.returncode == 2
        assert expected in done.stderr


def test_a_changed_configuration_or_a_broken_checkpoint_is_refused(place):
    folder = killed(place, 0)
    config = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(config.replace("lr: 0.001", "lr: 0.002"))
    expected = "config.yaml: it, or a value from the environment, has changed since the run started"
    assert expected in stackprop(place, "resume", folder.name).stderr
    (folder / "config.yaml").write_text(config)
    whole = (folder / "checkpoint.npz").read_bytes()
    (folder / "checkpoint.npz").write_bytes(whole[:1000])
    done = stackprop(place, "resume", folder.name)
    assert (done.returncode, "not a complete checkpoint" in done.stderr) == (2, True)
    (folder / "checkpoint.npz").write_bytes(whole)
    assert stackprop(place, "resume", folder.name).returncode == 0


def test_processes_that_start_at_once_on_a_missing_store_all_record(tmp_path):
    """Three at a time here, on two cores; sixteen with three runs each were counted by hand."""
    running = [forked(tmp_path, "-m", *QUICK, "seed=0,1", UNRENDERED="1") for _ in range(3)]
    for process in running:
        assert "cannot be used" not in process.end().stderr
    store = MlflowStore(Tracking(), tmp_path / "runs")
    runs = store.client.search_runs([store.experiment_id])
    runs = [run for run in runs if run.data.tags.get("kind") != "sweep"]
    assert len(runs) == 6
    assert {run.info.status for run in runs} == {"FINISHED"}
    counts = {len(store.client.get_metric_history(run.info.run_id, "grad_norm/hidden")) for run in runs}
    assert counts == {6}


def test_a_lost_run_whose_server_is_down_does_not_stop_the_next_run(tmp_path):
    folder = tmp_path / "runs" / "lost"
    assert stackprop(tmp_path, *QUICK, "tracking=none", f"hydra.run.dir={folder}").returncode == 0
    config = (folder / "config.yaml").read_text().replace("type: none", "type: mlflow\n  uri: http://127.0.0.1:9")
    (folder / "config.yaml").write_text(config)
    state = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**state, "status": "running", "mlflow_run_id": "of the server"}))
    (tmp_path / "runs" / ".running" / "runs-lost.json").write_text(json.dumps({"folders": [str(folder)]}))
    done = stackprop(tmp_path, *QUICK, "tracking=none", MLFLOW_HTTP_REQUEST_MAX_RETRIES="0")
    assert done.returncode == 0, done.stderr
    assert "its process was killed; resume with" in done.stderr
    assert json.loads((folder / "run.json").read_text())["status"] == "lost"
