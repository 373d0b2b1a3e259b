"""A run's folder from somebody else may hold links; nothing is written through them."""

import json
import os

import pytest

from framework.core.writing import LinkError, appending, inside, replaced, write_json, write_text

pytestmark = pytest.mark.usefixtures("unrendered")


def test_a_link_is_replaced_and_not_followed(tmp_path):
    mine = tmp_path / "mine"
    mine.write_text("mine")
    for name in ("a.json", "a.json.part"):
        (tmp_path / name).symlink_to(mine)
    write_json(tmp_path / "a.json", {"a": 1})
    assert mine.read_text() == "mine"
    assert not (tmp_path / "a.json").is_symlink()
    assert sorted(os.listdir(tmp_path)) == ["a.json", "mine"]


def test_what_was_there_stays_if_writing_fails(tmp_path):
    write_text(tmp_path / "a", "before")
    with pytest.raises(TypeError), replaced(tmp_path / "a") as file:
        file.writelines([b"half", None])
    assert (tmp_path / "a").read_text() == "before"
    assert os.listdir(tmp_path) == ["a"]


def test_lines_are_appended_to_files_only(tmp_path):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    (tmp_path / "new").symlink_to(tmp_path / "nothing")
    os.mkfifo(tmp_path / "pipe")
    for name, told in (("link", "this is a link to"), ("new", "this is a link to"), ("pipe", "this is not a file")):
        with pytest.raises(LinkError, match=told):
            appending(tmp_path / name)
    assert (tmp_path / "mine").read_text() == "mine"
    assert not (tmp_path / "nothing").exists()


def test_a_folder_within_a_run_is_no_link(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "figures").symlink_to(tmp_path)
    (tmp_path / "run" / "files").touch()
    for name, told in (("figures", "this is a link to"), ("files", "this is not a folder")):
        with pytest.raises(LinkError, match=told):
            inside(tmp_path / "run", name)
    assert inside(tmp_path / "run", "new").is_dir()


QUICK = ["dataset=xor", "trainer.epochs=2", "trainer.batch_size=4", "trainer.checkpoint_every=1", "tracking=none"]
WHOLE = ("report.html", "run.json", "config.yaml", "model.npz", "model.json", "plugins.json", "checkpoint.npz", "table.md")


@pytest.fixture
def strange(ask, tmp_path):
    """A sweep with a link in the place of every file that is written, all to one file; and that file."""
    assert ask("-m", *QUICK, "seed=0,1", "hydra.sweep.dir=runs/s")[0] == 0
    mine = tmp_path / "mine"
    mine.write_text("mine")
    for name in (*(f"{name}.part" for name in WHOLE), "report.html", "comparison.png"):
        for folder in (tmp_path / "runs/s", tmp_path / "runs/s/0"):
            (folder / name).unlink(missing_ok=True)
            (folder / name).symlink_to(mine)
    yield tmp_path / "runs" / "s", mine
    assert mine.read_text() == "mine"


def test_report_and_compare_write_through_no_link(ask, strange):
    sweep, mine = strange
    assert ask("report", "runs/s")[0] == 0
    assert ask("compare", "runs/s")[0] == 0
    (sweep / "0" / "secret.txt").symlink_to(mine)
    assert ask("report", "runs/s/0")[0] == 0
    assert "mine" not in (sweep / "0" / "report.html").read_text()
    outside = sweep.parent.parent / "outside"
    outside.mkdir()
    (sweep / "1" / "figures").symlink_to(outside)
    (sweep / "comparisons").symlink_to(outside)
    for words in (("report", "runs/s/1"), ("compare", "runs/s", "y=train/loss")):
        status, _, told = ask(*words)
        assert (status, "this is a link to" in told, "Traceback" in told) == (2, True, False), told
    assert not list(outside.iterdir())


def test_nothing_is_resumed_in_a_folder_with_links(ask, strange):
    sweep, _ = strange
    state = json.loads((sweep / "0" / "run.json").read_text())
    (sweep / "0" / "run.json").write_text(json.dumps({**state, "status": "killed"}))
    for words in (("resume", "runs/s/0"), ("-m", "sweep.resume=s")):
        status, _, told = ask(*words)
        assert (status, "this is a link to" in told) == (2, True), told
    for path in sweep.rglob("*"):
        if path.is_symlink():
            path.unlink()
    assert ask("resume", "runs/s/0")[0] == 0


def test_hydra_writes_through_no_link(ask, tmp_path):
    (tmp_path / "new" / ".hydra").mkdir(parents=True)
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "new" / ".hydra" / "config.yaml").symlink_to(tmp_path / "mine")
    status, _, told = ask(*QUICK, "hydra.run.dir=new")
    assert (status, "this is a link to" in told) == (2, True), told
    assert (tmp_path / "mine").read_text() == "mine"


@pytest.mark.slow
def test_doctor_appends_to_no_link_and_sends_no_file_behind_one(ask, strange):
    sweep, mine = strange
    (sweep / "0" / "metrics.jsonl").unlink()
    (sweep / "0" / "metrics.jsonl").symlink_to(mine)
    (sweep / "1" / "config.yaml").write_text("tracking: {type: mlflow}\n")
    (sweep / "0" / "config.yaml").write_text("tracking: {type: mlflow}\n")
    status, _, told = ask("doctor")
    assert (status, "this is a link to" in told) == (1, True), told


def test_a_folder_of_runs_may_be_a_link_itself(ask, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "runs").symlink_to(tmp_path / "disk")
    assert ask(*QUICK, "hydra.run.dir=runs/a")[0] == 0
    (tmp_path / "other").mkdir()
    (tmp_path / "disk" / "a").rename(tmp_path / "other" / "a")
    (tmp_path / "disk" / "a").symlink_to(tmp_path / "other" / "a")
    assert ask("report", "a")[0] == 0
    assert (tmp_path / "other" / "a" / "report.html").is_file()
