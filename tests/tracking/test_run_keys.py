"""The key by which a record and its run in the store know each other; records of before, and of projects that were moved."""

import json
import os
import shutil

import pytest

from framework.config.composition import compose
from framework.core.writing import write_json
from framework.experiments.experiment import prepare
from framework.experiments.runner import run
from framework.experiments.sync import Stores, close_lost_runs, close_unlocked, repair, sync_run, sync_to_mlflow
from framework.sweeps.manifest import resumed, set_aside
from framework.tracking.folders import walk
from framework.tracking.locks import claimed, lock_runs
from framework.tracking.mlflow import KEY, MlflowStore
from framework.tracking.mlflow_client import tracking_uri
from framework.tracking.options import Tracking
from framework.tracking.run_dir import RunLocation, read_state

pytestmark = pytest.mark.usefixtures("unrendered")

RUN = ["dataset=wine", "dataset.scale=standard", "model.hidden=3", "trainer.epochs=2", "threads=1"]
FOLDER = "stackprop.folder"


def trained(runs, name, *words):
    place = RunLocation(runs / name, runs, name, {"sweep": "s"})
    run(prepare(compose([*RUN, *words])), place)
    return place


def made_keyless(runs, name, **changes):
    """A record as it was written before there were keys; `folder` is what its run in the store calls it."""
    state, store = read_state(runs / name), MlflowStore(Tracking(), runs)
    store.client.delete_tag(state["mlflow_run_id"], KEY)
    if folder := changes.pop("folder", None):
        store.client.set_tag(state["mlflow_run_id"], FOLDER, folder)
    write_json(runs / name / "run.json", {k: v for k, v in state.items() if k != "key"} | changes)
    return state["mlflow_run_id"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    runs = tmp_path_factory.mktemp("keys") / "runs"
    trained(runs, "a")
    return runs


@pytest.fixture
def copied(runs, tmp_path):
    shutil.copytree(runs, tmp_path / "runs")
    return tmp_path / "runs"


def found(runs):
    return MlflowStore(Tracking(), runs).search("")


@pytest.mark.parametrize(
    ("known", "folder"),
    [(True, None), (False, None), (False, "runs/a"), (False, "it's/a")],
    ids=["id", "absolute", "relative", "'"],
)
def test_the_run_of_an_old_record_is_found_again_and_keyed(copied, monkeypatch, known, folder):
    monkeypatch.chdir(copied.parent)
    if folder and folder.startswith("it's"):
        copied = copied.rename(copied.with_name("it's"))
    run_id = made_keyless(copied, "a", tracked=False, folder=folder, **({} if known else {"mlflow_run_id": None}))
    assert sync_to_mlflow(copied) == ([copied / "a"], [])
    (one,) = found(copied)
    state = read_state(copied / "a")
    assert (one.info.run_id, one.data.tags[KEY]) == (run_id, state["key"])
    assert (state["mlflow_run_id"], one.data.tags[FOLDER]) == (run_id, str(copied / "a"))


def test_a_new_key_costs_no_search(copied, monkeypatch):
    def search(*_):
        raise AssertionError("searched")

    monkeypatch.setattr(MlflowStore, "search", search)
    trained(copied, "b")
    assert read_state(copied / "b")["tracked"]


def test_of_two_runs_with_one_key_the_fuller_one_is_gone_on_with(copied):
    key, known = read_state(copied / "a")["key"], found(copied)[0].info.run_id
    other = MlflowStore(Tracking(), copied).begin("a", {}, {KEY: key}).run_id
    assert MlflowStore(Tracking(), copied).find(key) == known != other
    (line,) = repair(copied, Stores(copied))  # the default store is looked at even where no run is left
    assert line == f"deleted   the MLflow run {other}: a duplicate of 'a'"
    assert [run.info.run_id for run in found(copied)] == [known]


def test_what_was_sent_in_part_is_sent_in_full(copied):
    state, (before,) = read_state(copied / "a"), found(copied)
    write_json(copied / "a" / "run.json", {**state, "key": "new", "tracked": False})
    MlflowStore(Tracking(), copied).begin(
        "a", {}, {KEY: "new"}
    )  # as it is when the process dies before it has sent the params
    sync_run(copied / "a", copied)
    (_, after) = found(copied)
    assert after.data.params == before.data.params
    assert after.data.metrics == before.data.metrics
    assert after.data.tags["stackprop.config_hash"] == before.data.tags["stackprop.config_hash"]


def test_a_run_that_somebody_deleted_is_not_sent_again(copied):
    MlflowStore(Tracking(), copied).client.delete_run(read_state(copied / "a")["mlflow_run_id"])
    assert sync_to_mlflow(copied) == ([], [])
    assert found(copied) == []


def test_a_claim_in_a_copy_of_a_project_is_of_the_copy(copied, tmp_path):
    state = read_state(copied / "a")
    write_json(copied / "a" / "run.json", {**state, "status": "running"})
    ours = lock_runs(copied, [copied / "a"])
    shutil.copytree(copied, tmp_path / "copy" / "runs")
    assert close_lost_runs(tmp_path / "copy" / "runs") == [tmp_path / "copy" / "runs" / "a"]
    assert read_state(copied / "a")["status"] == "running"
    assert (close_lost_runs(copied), close_unlocked(copied, walk(copied).records), claimed(copied)) == (
        [],
        [],
        {copied / "a"},
    )
    ours.release()


def test_a_run_whose_claim_was_lost_is_ended(copied):
    write_json(copied / "a" / "run.json", {**read_state(copied / "a"), "status": "running"})
    assert close_unlocked(copied, walk(copied).records) == [copied / "a"]
    assert read_state(copied / "a")["reason"] == "its process was killed"


def test_an_attempt_is_told_from_the_job_even_where_the_store_is_down(copied, monkeypatch):
    monkeypatch.setattr("framework.sweeps.manifest.get_store", lambda *_: 1 / 0)
    write_json(copied / "a" / "run.json", {**read_state(copied / "a"), "status": "killed", "state": "KILLED"})
    job = copied / "s" / "0"
    job.parent.mkdir()
    (copied / "a").rename(job)
    set_aside(RunLocation(job, copied, "a"), Tracking())
    aside = job.parent / "attempts" / "0-1"
    assert (read_state(aside)["tracked"], list(job.iterdir())) == (False, [])
    assert sync_to_mlflow(copied) == ([aside], [])
    (one,) = found(copied)
    assert (one.data.tags["sweep"], one.data.tags[FOLDER], one.info.status) == ("s-attempt", str(aside), "KILLED")


@pytest.mark.parametrize("name", ["what?", "100%", "100%25", "a#b"])
def test_a_store_lies_in_its_folder_whatever_that_is_called(runs, tmp_path, name):
    place = tmp_path / name
    shutil.copytree(runs, place)
    store = MlflowStore(Tracking(), place)
    tracked = store.begin("b", {}, {})
    tracked.artifact(place / "a" / "run.json")
    assert os.listdir(tmp_path) == [name]
    assert [file.path for file in store.client.list_artifacts(tracked.run_id)] == ["run.json"]
    assert len(list(place.glob("artifacts/stackprop/*/artifacts/run.json"))) == 1
    assert tracking_uri(Tracking(), place).startswith("sqlite")


def test_a_sweep_that_has_no_run_yet_goes_on_or_says_what_is_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sweep = tmp_path / "elsewhere" / "s"
    sweep.mkdir(parents=True)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / ".elsewhere").write_text("../elsewhere/s\n")
    (sweep / "multirun.yaml").write_text("")
    with pytest.raises(Exception, match="no job was started before the sweep was stopped; run its command again"):
        resumed(["-m", "sweep.resume=elsewhere/s"])
    (sweep / "sweep.json").write_text(json.dumps({"command": ["-m", "seed=1,2"], "jobs": {}}))
    for name in ("s", "elsewhere/s", "last"):
        assert resumed(["-m", f"sweep.resume={name}"])[:2] == ["-m", "seed=1,2"]
    (sweep / "sweep.json").write_text("")
    with pytest.raises(Exception, match=r"sweep.json cannot be read; repeat the command"):
        resumed(["-m", "sweep.resume=elsewhere/s"])
