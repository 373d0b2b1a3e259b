"""The tracking store: a real SQLite file, real runs."""

import shutil
import sqlite3

import numpy as np
import pytest
from configs import judged

from framework.core.callback import Callback
from framework.core.errors import RunFailed
from framework.experiments.experiment import prepare
from framework.experiments.runner import run
from framework.experiments.sync import sync_run
from framework.tracking.metrics_file import read_lines
from framework.tracking.mlflow import MlflowStore, flattened
from framework.tracking.mlflow_client import is_served
from framework.tracking.options import Tracking
from framework.tracking.run_dir import RunLocation

QUICK = "{dataset: {type: spirals, n: 40}, trainer: {epochs: 3, batch_size: 16}, tracking: {type: mlflow, max_points: 5}}"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def store(runs):
    return MlflowStore(Tracking(), runs)


def trained(runs, name, changes=QUICK, callbacks=()):
    place = RunLocation(runs / name, runs, name, {"sweep": "s1", "sweep.overrides": name})
    return run(prepare(judged(changes)), place, callbacks)


def tracked(store, name):
    found = store.client.search_runs([store.experiment_id], f"attributes.run_name = '{name}'")
    assert len(found) == 1
    return found[0]


def test_the_store_is_written_ahead_and_lies_where_the_runs_are(runs, store):
    with sqlite3.connect(runs / "mlflow.db") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    where = store.client.get_experiment(store.experiment_id).artifact_location
    assert where == (runs.resolve() / "artifacts" / "stackprop").as_uri()


def test_artifacts_stay_with_the_runs_wherever_a_local_store_lies(runs, store, tmp_path, monkeypatch):
    shutil.copy(runs / "mlflow.db", tmp_path / "mine.db")
    monkeypatch.chdir(tmp_path)
    mine = MlflowStore(Tracking(uri=f"sqlite:///{tmp_path}/mine.db", experiment="other"), tmp_path / "runs")
    mine.begin("a", {}, {}).artifact(tmp_path / "mine.db")
    assert [p.name for p in (tmp_path / "runs" / "artifacts" / "other").glob("*/artifacts/*")] == ["mine.db"]
    assert not (tmp_path / "mlruns").exists()


@pytest.mark.parametrize("uri", ["http://localhost:5000", "https://mlflow.example.org", "databricks"])
def test_a_server_says_itself_where_artifacts_go(uri):
    assert is_served(Tracking(uri=uri))
    assert not is_served(Tracking(uri="postgresql://localhost/mlflow"))


def test_a_run_is_recorded_with_params_tags_curves_and_its_end(runs, store):
    result = trained(runs, "good")
    found = tracked(store, "good")
    assert found.info.status == "FINISHED"
    assert found.data.params["optimizer.lr"] == "0.01"
    assert found.data.params["model.layers.hidden.units"] == "4"
    tags = found.data.tags
    assert tags["sweep"] == "s1"
    assert tags["stackprop.status"] == "finished"
    assert len(tags["stackprop.config_hash"]) == 16
    assert found.data.metrics["test/accuracy"] == result.metrics["test/accuracy"]
    assert not any(key.startswith("mlflow.parentRunId") for key in tags)


def test_curves_are_thinned_in_the_store_and_whole_in_the_folder(runs, store):
    if not (runs / "good").exists():
        trained(runs, "good")
    history = store.client.get_metric_history(tracked(store, "good").info.run_id, "grad_norm/hidden")
    lines = [line for line in read_lines(runs / "good" / "metrics.jsonl") if "grad_norm/hidden" in line]
    steps = sorted(point.step for point in history)
    assert [line["step"] for line in lines] == list(range(1, len(lines) + 1))
    assert steps[0] == 1
    assert steps[-1] == lines[-1]["step"]
    assert len(steps) <= 5
    assert np.float32(history[0].value) == np.float32(lines[history[0].step - 1]["grad_norm/hidden"])


class Breaks(Callback):
    """A callback that stops the training from inside."""

    def __init__(self, error):
        self.error = error

    def on_steps(self, *_):
        raise self.error


def test_ctrl_c_ends_a_run_as_killed(runs, store):
    with pytest.raises(KeyboardInterrupt):
        trained(runs, "stopped", callbacks=[Breaks(KeyboardInterrupt())])
    assert tracked(store, "stopped").info.status == "KILLED"


def test_an_exception_ends_a_run_as_failed_with_its_reason(runs, store):
    with pytest.raises(RunFailed, match="ZeroDivisionError: oh"):
        trained(runs, "broken", callbacks=[Breaks(ZeroDivisionError("oh"))])
    found = tracked(store, "broken")
    assert found.info.status == "FAILED"
    assert found.data.tags["stackprop.status"] == "failed: ZeroDivisionError: oh"
    assert "ZeroDivisionError: oh" in (runs / "broken" / "traceback.txt").read_text()
    assert "traceback.txt" in [file.path for file in store.client.list_artifacts(found.info.run_id)]


DIVERGING = "{optimizer: {type: sgd, lr: 1.0e+30}, activation: linear, trainer: {epochs: 3}}"


def test_divergence_fails_a_run_with_step_and_reason(runs, store):
    with pytest.raises(RunFailed, match="diverged: the loss or the gradient is no longer finite at step"):
        trained(runs, "diverged", DIVERGING)
    assert tracked(store, "diverged").info.status == "FAILED"
    assert tracked(store, "diverged").data.tags["stackprop.status"].startswith("diverged: ")
    last = read_lines(runs / "diverged" / "metrics.jsonl")[-1]
    assert not np.isfinite(last["train/loss"] + last["grad_norm/total"])


def test_divergence_can_be_a_result(runs, store):
    result = trained(runs, "on record", DIVERGING.replace("epochs: 3", "epochs: 3, on_divergence: record"))
    assert result.status == "diverged"
    assert tracked(store, "on record").info.status == "FINISHED"


def test_the_value_in_the_store_is_that_of_the_restored_weights(runs, store):
    keep = "trainer: {epochs: 6, batch_size: 4, keep: best}, optimizer: {type: sgd, lr: 15.0}"
    result = trained(runs, "restored", QUICK.replace("trainer: {epochs: 3, batch_size: 16}", keep))
    found, outcome = tracked(store, "restored"), result.outcome
    assert outcome.kept_step < outcome.step
    assert found.data.metrics["val/loss"] == result.metrics["val/loss"] == outcome.best
    assert found.data.tags["stackprop.kept"] == outcome.kept_text
    points = [(m.step, m.value) for m in store.client.get_metric_history(found.info.run_id, "val/loss")]
    measured = [line["val/loss"] for line in read_lines(result.folder / "metrics.jsonl") if "val/loss" in line]
    assert len(measured) == 6  # the folder's curve is whole, and has no point more
    assert points[-1] == (outcome.step + 1, outcome.best)
    assert len(points) <= 5
    sync_run(result.folder, runs)
    assert tracked(store, "restored").data.metrics["val/loss"] == outcome.best


def test_a_store_that_was_moved_points_to_its_new_place(tmp_path):
    before, after = tmp_path / "bef ore" / "runs", tmp_path / "after" / "runs"
    before.mkdir(parents=True)
    (before / "note.txt").write_text("kept")
    begun = MlflowStore(Tracking(), before).begin("a", {}, {"stackprop.folder": str(before / "a")})
    begun.artifact(before / "note.txt")
    before.parent.rename(after.parent)
    store = MlflowStore(Tracking(), after)
    (found,) = store.client.search_runs([store.experiment_id])
    assert found.data.tags["stackprop.folder"] == str(after / "a")
    assert [f.path for f in store.client.list_artifacts(found.info.run_id)] == ["note.txt"]
    store.begin("b", {}, {}).artifact(after / "note.txt")
    assert not before.exists()


def test_without_tracking_there_is_the_folder_alone(tmp_path):
    result = trained(tmp_path, "alone", QUICK.replace("type: mlflow, max_points: 5", "type: none"))
    assert sorted(p.name for p in tmp_path.iterdir()) == [".running", "alone"]
    files = ["config.yaml", "metrics.jsonl", "model.json", "model.npz", "plugins.json", "run.json"]
    assert sorted(p.name for p in result.folder.iterdir()) == files


def test_params_are_the_leaves_of_the_configuration():
    assert dict(flattened({"a": {"b": 1, "c": {}}, "d": [1, 2]})) == {"a.b": 1, "d": [1, 2]}


def test_probes_are_recorded_at_their_own_steps_and_tracked_thinned(runs, store):
    probes = "probes: [activation_spread, saturated, update_ratio], trainer: {steps: 60, batch_size: 16, probe_every: 2}"
    trained(runs, "probed", QUICK.replace("trainer: {epochs: 3, batch_size: 16}", probes))
    lines = read_lines(runs / "probed" / "metrics.jsonl")
    series = [(line["step"], line["activation/act/std"]) for line in lines if "activation/act/std" in line]
    assert [step for step, _ in series] == [1, *range(2, 61, 2)]
    run = tracked(store, "probed")
    points = [(m.step, m.value) for m in store.client.get_metric_history(run.info.run_id, "activation/act/std")]
    assert len(points) <= 5
    assert (points[0], points[-1]) == (series[0], series[-1])
    assert set(points) <= set(series)
    assert {"activation/act/saturated", "update_ratio/hidden", "update_ratio/out"} <= run.data.metrics.keys()
