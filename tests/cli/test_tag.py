"""`stackprop tag`: name, notes and tags of recorded runs, in their folder and in the store."""

from types import SimpleNamespace

import pytest
from recorded import run, sweep

from framework.experiments import labels
from framework.tracking.edits import METRICS, notes_section, with_notes
from framework.tracking.folders import walk
from framework.tracking.naming import About, about_of
from framework.tracking.run_dir import read_state, read_sweep

pytestmark = pytest.mark.usefixtures("unrendered")


def test_tags_are_set_changed_and_removed(ask, tmp_path):
    folder = run(tmp_path / "runs" / "a", "optimizer.lr=0.1", about={"tags": {"old": "1", "kept": "2"}})
    status, out, _ = ask("tag", "a", "name=wide", "notes=it works", "paper=fig3", "~old")
    assert (status, out) == (0, "runs/a:  name=wide  kept=2  paper=fig3  it works\n")
    assert about_of(read_state(folder)) == About("wide", {"kept": "2", "paper": "fig3"}, "it works")
    assert read_state(folder)["name"] == "wide"
    assert ask("tag", "wide", "~name", "notes=")[1] == "runs/a:  kept=2  paper=fig3\n"
    assert read_state(folder)["name"] == "lr=0.1"


def test_tags_of_a_sweep_are_those_of_its_jobs(ask, tmp_path):
    folder = sweep(tmp_path / "runs" / "s", "seed", ["0", "1"], [0.1, 0.2])
    ask("tag", "last", "name=many", "paper=fig3")
    assert about_of(read_sweep(folder)) == About("many", {"paper": "fig3"})
    assert [about_of(read_state(folder / job)) for job in "01"] == [About("", {"paper": "fig3"})] * 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a", "name=a/b"], "name: '/' not allowed in a name"),
        (["a", "kind=1"], "tags.kind: 'kind' is a tag that stackprop sets"),
        (["a", "~x=1"], "~x removes a tag; it takes no value"),
        (["a", "x=1", "~x"], "x is given twice"),
        (["x=1"], "tag: which run? stackprop tag last paper=fig3"),
        (["a", "none", "x=1"], "unknown run or sweep 'none'"),
    ],
)
def test_a_wrong_change_changes_nothing(ask, tmp_path, words, message):
    folder = run(tmp_path / "runs" / "a")
    before = (folder / "run.json").read_bytes()
    status, _, err = ask("tag", *words)
    assert (status, message in err) == (2, True), err
    assert (folder / "run.json").read_bytes() == before


def test_a_change_waits_for_a_store_that_is_down(ask, tmp_path, monkeypatch):
    folder = run(tmp_path / "runs" / "a", key="ab", about={"tags": {"x": "1"}})
    (folder / "config.yaml").write_text("tracking:\n  type: mlflow\n")
    (tmp_path / "runs" / "mlflow.db").touch()
    sent = []

    def down(*_):
        raise ConnectionError("refused")

    monkeypatch.setattr(labels, "get_store", down)
    status, _, err = ask("tag", "a", "x=2")
    assert (status, "not in the tracking store yet (ConnectionError: refused); stackprop doctor sends it" in err) == (
        0,
        True,
    )
    ask("tag", "a", "x=3")
    monkeypatch.setattr(labels, "get_store", lambda *_: SimpleNamespace(ids_of=lambda key: ["id"]))
    monkeypatch.setattr(labels, "relabel", lambda *found: sent.append(found[1:4]))
    assert list(labels.send_all(walk(tmp_path / "runs"))) == [f"sent      the name, tags and notes of {folder}"]
    assert sent == [("id", About("", {"x": "1"}), About("", {"x": "3"}))]  # from what the store has
    assert list(labels.send_all(walk(tmp_path / "runs"))) == []


def test_the_notes_of_a_page_change_and_the_rest_stays():
    page = f"done\n\n{notes_section('old')}{METRICS}\n\n| a |"
    assert with_notes(page, "old", "new") == page.replace("old", "new")
    assert with_notes(page, "old", "") == f"done\n\n{METRICS}\n\n| a |"
    assert with_notes(f"done\n\n{METRICS}\n\n| a |", "", "old") == page
    assert with_notes("old", "old", "new") == "new"  # of a run that has not finished
    assert with_notes("old\n\nof an earlier version", "old", "new") == "new\n\nof an earlier version"


def test_a_running_run_keeps_what_is_tagged_meanwhile(ask, tmp_path, monkeypatch):
    from framework.tracking.recorder import MetricsRecorder

    def tagged(recorder, *_):
        if read_state(tmp_path / "mine")["status"] == "running":
            assert ask("tag", "mine", "paper=fig3")[0] == 0

    monkeypatch.setattr(MetricsRecorder, "on_end", tagged)
    words = ["dataset=wine", "trainer.epochs=1", "model.hidden=3", "tracking=none", "threads=1"]
    assert ask(*words, "hydra.run.dir=mine", "trainer.on_divergence=record")[0] == 0
    assert about_of(read_state(tmp_path / "mine")).tags == {"paper": "fig3"}
    assert read_state(tmp_path / "mine")["status"] == "finished"
