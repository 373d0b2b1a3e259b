"""`stackprop delete`: a run goes as a whole, here and in the store; nothing else is touched."""

import json
import os

import pytest
from recorded import run, sweep

from framework.cli.commands import delete as verb
from framework.experiments.deletion import MARK, Deleter, finish_all
from framework.tracking.folders import ELSEWHERE, walk
from framework.tracking.mlflow import MlflowStore
from framework.tracking.options import Tracking
from framework.tracking.run_dir import read_sweep

QUICK = ["dataset=wine", "trainer.epochs=1", "model.hidden=3", "tracking=none", "threads=1"]


@pytest.fixture
def runs(tmp_path):
    """Two runs, one of them failed, and a sweep with a failed job."""
    runs = tmp_path / "runs"
    run(runs / "a", about={"name": "wide"})
    run(runs / "b", status="failed")
    sweep(runs / "s", "seed", ["0", "1"], [0.1, None], name="many")
    return runs


def left(runs):
    return sorted(path.parent.relative_to(runs).as_posix() for path in runs.rglob("run.json"))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["wide"], ["b", "s/0", "s/1"]),
        (["many"], ["a", "b"]),
        (["s", "s/0"], ["a", "b"]),
        (["status=failed"], ["a", "s/0"]),
        (["sweep=many"], ["a", "b"]),
        (["wide", "status=failed"], ["s/0"]),
        (["status=killed"], ["a", "b", "s/0", "s/1"]),
    ],
)
def test_runs_are_deleted_by_name_or_filter(ask, runs, words, expected):
    status, out, _ = ask("delete", *words, "--yes")
    assert status == 0
    assert left(runs) == expected
    assert (runs / "s").exists() == any(name.startswith("s/") for name in expected)
    assert "freed" in out or "no run in runs has status=killed" in out


def test_a_dry_run_says_what_would_go(ask, runs):
    out = ask("delete", "many", "--dry-run")[1]
    assert out.startswith("runs/s: 2 runs, ")
    assert len(left(runs)) == 4


def test_without_a_terminal_it_needs_yes(ask, runs):
    status, _, err = ask("delete", "wide")
    assert (status, "without a terminal to ask on it needs --yes" in err) == (2, True)
    assert "a" in left(runs)


@pytest.mark.parametrize(("answer", "deleted"), [("y", True), ("", False), ("n", False)])
def test_on_a_terminal_it_asks(ask, runs, monkeypatch, answer, deleted):
    monkeypatch.setattr(verb.sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda question: answer)
    ask("delete", "wide")
    assert ("a" not in left(runs)) == deleted


def test_what_must_not_go_stays_and_so_does_the_rest(ask, runs, tmp_path):
    run(runs / "busy", status="running")
    (runs / "plain").mkdir()
    (runs / "link").symlink_to(runs / "a")
    (runs / "broken").mkdir()
    (runs / "broken" / "run.json").write_text("[]")
    before = left(runs)
    for word, message in {
        "busy": "runs/busy: still running; nothing was deleted",
        "plain": "neither a run nor a sweep",
        "link": "runs/link: this is a link to",
        "broken": "neither a run nor a sweep with a valid record",
        "none": "unknown run or sweep 'none'",
    }.items():
        status, _, err = ask("delete", "wide", word, "--yes")
        assert (status, message in err) == (2, True), err
    assert left(runs) == before


def test_a_folder_that_holds_the_working_folder_stays(ask, tmp_path):
    run(tmp_path / "here")
    (tmp_path / "here" / "run.json").rename(tmp_path / "run.json")
    status, _, err = ask("delete", ".", "--yes")
    assert (status, "lies in it; it is not deleted" in err) == (2, True)


def test_links_in_a_folder_are_removed_not_followed(ask, runs, tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.tex").write_text("x")
    (runs / "a" / "figures").symlink_to(tmp_path / "precious")
    assert ask("delete", "wide", "--yes")[0] == 0
    assert not (runs / "a").exists()
    assert (tmp_path / "precious" / "thesis.tex").exists()


def test_a_job_that_is_a_link_is_no_job_of_the_sweep(ask, runs):
    (runs / "s" / "2").symlink_to(runs / "a")
    assert ask("tag", "many", "x=1")[0] == 0
    assert "tags" not in json.loads((runs / "a" / "run.json").read_text())["about"]
    assert ask("delete", "many", "--yes")[0] == 0
    assert left(runs) == ["a", "b"]


def test_other_files_in_a_folder_of_the_user_stay(ask, tmp_path):
    (tmp_path / "runs").mkdir()
    run(tmp_path / "mine")
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    (tmp_path / "runs" / ELSEWHERE).write_text("../mine\n../other\n")
    _, _, err = ask("delete", "mine", "--yes")
    assert "other files are left in it: thesis.tex" in err
    assert os.listdir(tmp_path / "mine") == ["thesis.tex"]
    assert (tmp_path / "runs" / ELSEWHERE).read_text() == "../other\n"


def test_a_deleted_job_is_not_the_best_any_more(ask, runs):
    content = json.loads((runs / "s" / "sweep.json").read_text())
    (runs / "s" / "sweep.json").write_text(json.dumps({**content, "best": {"job": "0"}}))
    ask("delete", "many/0", "--yes")
    assert read_sweep(runs / "s")["best"] is None


@pytest.mark.parametrize("name", ["a", "s"])
def test_an_interrupted_deletion_is_finished(ask, runs, monkeypatch, name):
    monkeypatch.setattr(Deleter, "finish", lambda *_: None)
    Deleter(runs).delete(runs / name)
    monkeypatch.undo()
    assert (runs / name / MARK).exists()
    assert name not in ask("list", "--all")[1].split()
    assert list(finish_all(runs, walk(runs).marked)) == [f"deleted   {runs / name}: its deletion was interrupted"]
    assert not (runs / name).exists()


@pytest.fixture
def tracked(runs):
    """The run of `wide` has a run in the store, with an artifact."""
    (runs / "a" / "config.yaml").write_text("tracking:\n  type: mlflow\n")
    store = MlflowStore(Tracking(), runs)
    started = store.begin("wide", {}, {"stackprop.key": "abc"})
    state = json.loads((runs / "a" / "run.json").read_text())
    (runs / "a" / "run.json").write_text(json.dumps({**state, "key": "abc", "mlflow_run_id": started.run_id}, indent=2))
    (runs / "note.txt").write_text("x")
    started.artifact(runs / "note.txt")
    started.end("FINISHED")
    return store, started.run_id


def stage(tracked):
    store, run_id = tracked
    return store.client.get_run(run_id).info.lifecycle_stage


def test_the_run_in_the_store_goes_with_its_folder(ask, runs, tracked):
    assert list(runs.glob("artifacts/*/*/artifacts/note.txt"))
    assert ask("delete", "wide", "--yes")[0] == 0
    assert stage(tracked) == "deleted"
    assert not list(runs.glob("artifacts/*/*/artifacts"))


def test_deleting_a_copy_leaves_the_run_in_the_store(ask, runs, tracked):
    run(runs / "copy")
    for name in ("run.json", "config.yaml"):
        (runs / "copy" / name).write_bytes((runs / "a" / name).read_bytes())
    assert ask("delete", "runs/copy", "--yes")[0] == 0
    assert stage(tracked) == "active"
    assert ask("delete", "runs/a", "--yes")[0] == 0
    assert stage(tracked) == "deleted"


def test_a_store_that_is_down_keeps_the_deletion_open(ask, runs, tracked, monkeypatch):
    def down(*_):
        raise ConnectionError("refused")

    monkeypatch.setattr("framework.experiments.deletion.get_store", down)
    status, _, err = ask("delete", "wide", "--yes")
    assert (status, "the tracking store cannot be used (ConnectionError: refused)" in err) == (1, True)
    assert "a" not in left(runs)
    monkeypatch.undo()
    os.chdir(runs.parent)
    assert "deleted   runs/a: its deletion was interrupted" in ask("doctor")[1]
    assert (stage(tracked), (runs / "a").exists()) == ("deleted", False)


def test_doctor_finds_what_is_only_here_or_only_there(ask, runs, tracked):
    store, run_id = tracked
    assert not {"gone", "unlisted"} & {line.split()[0] for line in ask("doctor")[1].splitlines()}
    store.client.delete_run(run_id)
    assert "unlisted  runs/a: its MLflow run was deleted; stackprop delete runs/a deletes the rest" in ask("doctor")[1]
    store.client.restore_run(run_id)
    (runs / "a").rename(runs.parent / "moved")
    assert f"'wide': its folder is gone; stackprop delete {run_id} deletes the rest" in ask("doctor")[1]
    assert ask("delete", run_id, "--yes")[1].startswith(f"deleted the MLflow run {run_id}, which had no folder")
    assert stage(tracked) == "deleted"
