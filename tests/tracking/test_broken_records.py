"""A file that is not what a run writes costs the run whose it is, and nobody else."""

import itertools
import os
import shutil

import pytest
from shell import stackprop

pytestmark = pytest.mark.usefixtures("unrendered")

QUICK = ["dataset=wine", "dataset.scale=standard", "trainer.epochs=2", "model.hidden=3", "tracking=none", "threads=1"]


def removed(path):
    """Out of the way, and its folder there."""
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
    path.parent.mkdir(exist_ok=True)
    return path


def holding(content):
    return lambda path: removed(path).write_bytes(content if isinstance(content, bytes) else content.encode())


def a_folder(path):
    removed(path).mkdir()


def a_link_to_nowhere(path):
    removed(path).symlink_to("nowhere")


def a_pipe(path):
    os.mkfifo(removed(path))


EMPTY, BINARY, LIST, DEEP = holding(""), holding(bytes(range(256))), holding("[1, 2]"), holding("[" * 100_000)
JSON = {"empty": EMPTY, "binary": BINARY, "a list": LIST, "deep": DEEP, "a folder": a_folder}
JSON |= {"a link to nowhere": a_link_to_nowhere, "a pipe": a_pipe}
STATES = {
    "of others": '{"a": 1}',
    "of wrong kinds": '{"status": 5, "started": "soon", "tags": 3, "metrics": []}',
    "without most": '{"status": "running", "tags": {"sweep": 3}, "kept": [], "runs": "\\u0000"}',
    "with a metric that is none": '{"status": "finished", "metrics": {"val/loss": {}}, "command": "stackprop"}',
    "with half a command": '{"status": "finished", "command": "stackprop \\"x", "tags": {"sweep": "s"}}',
}
LINES = {
    "without JSON": "garbage\n",
    "with lists": "[1]\n[2]\n",
    "without steps": '{"a": 1}\n',
    "with odd values": '{"step": 1, "val/loss": {}}\n{"step": 2, "val/loss": null}\n',
}
SWEEPS = {
    "of wrong kinds": '{"jobs": 3, "best": "x", "launched": "soon", "objective": 4}',
    "with odd values": '{"jobs": {"0": 1}, "best": {"a": 1}, "objective": {"b": 2}, "command": [1]}',
}
MARKERS = {"of others": '{"folders": [3, "", "\\u0000", "b"]}', "of wrong kinds": '{"folders": 3}'}

BROKEN = {
    f"{name} {what}": (name, how)
    for names, kinds in [
        (("b/run.json", "s/1/run.json"), JSON | {what: holding(text) for what, text in STATES.items()}),
        (("s/0/config.yaml", "b/config.yaml"), {"empty": EMPTY, "binary": BINARY, "a list": LIST}),
        (("s/1/metrics.jsonl",), {"empty": EMPTY, "binary": holding(bytes(range(256)) + b"\n"), "a folder": a_folder}),
        (("s/1/metrics.jsonl", "b/metrics.jsonl"), {what: holding(text) for what, text in LINES.items()}),
        (("s/sweep.json",), JSON | {what: holding(text) for what, text in SWEEPS.items()}),
        ((".running/x.json",), JSON | {what: holding(text) for what, text in MARKERS.items()}),
        ((".running", "b"), {"empty": EMPTY, "a link to nowhere": a_link_to_nowhere}),
        ((".running/x.lock", ".elsewhere"), {"a folder": a_folder, "binary": BINARY}),
        (("s/archive.json", "b/plugins.json", "s/1/plugins.json"), {"a list": LIST}),
    ]
    for name in names
    for what, how in kinds.items()
}

# A run, a sweep and what is kept beside them know nothing of each other: one thing of each is broken at a time.
APART = [[what for what in BROKEN if what.startswith(first)] for first in ("b", "s/", ".")]
AT_ONCE = [list(filter(None, each)) for each in itertools.zip_longest(*APART)]

AS_EVER = [["evaluate", "last"], ["report", "a"], QUICK, ["-m", *QUICK, "seed=7,8"]]  # what has nothing to do with it
OF_ALL = [["doctor"], ["compare", "s"], ["report"], ["evaluate", "best"], ["resume", "b"], ["-m", "sweep.resume=s"]]


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A run b, a sweep s, and a run a after them."""
    place = tmp_path_factory.mktemp("sound")
    for words in (["hydra.run.dir=runs/b"], ["-m", "seed=3,4", "hydra.sweep.dir=runs/s"], ["hydra.run.dir=runs/a"]):
        assert stackprop(place, *QUICK, *words, UNRENDERED="1").returncode == 0
    return place


def broken(sound, place, *whats):
    """A copy of the project with some things broken."""
    shutil.copytree(sound, place, dirs_exist_ok=True)
    for what in whats:
        name, how = BROKEN[what]
        how(place / "runs" / name)


@pytest.mark.parametrize(
    "what", ["s/1/run.json empty", "b/run.json of wrong kinds", ".running empty", ".running/x.json a folder"]
)
def test_a_broken_file_does_not_stop_the_others(ask, sound, tmp_path, what):
    broken(sound, tmp_path, what)
    for words in (["compare", "s"], ["evaluate", "last"], QUICK):
        assert ask(*words)[0] == 0
    assert ask("doctor")[0] == ("run.json" in what)


@pytest.mark.slow
@pytest.mark.parametrize("whats", AT_ONCE, ids=" and ".join)
def test_no_broken_file_stops_any_verb(ask, sound, tmp_path, whats):
    """What each says stands on lines of its own; an exception would come through `ask`."""
    broken(sound, tmp_path, *whats)
    for words in OF_ALL:
        status, _, err = ask(*words)
        assert status in (0, 1, 2)
        assert all(line.startswith(("stackprop: ", "unsent ", "plugin ", "failed: ")) for line in err.splitlines()), err
    for words in AS_EVER if whats[-1].startswith(".") else AS_EVER[:2]:  # what any new run meets
        assert ask(*words)[0] == 0, words


def test_a_job_that_cannot_be_read_is_named_and_left_out(ask, sound, tmp_path):
    for what, reason in (
        ("run.json empty", "run.json: cannot be read"),
        ("metrics.jsonl without JSON", "line 1 is not valid"),
    ):
        broken(sound, tmp_path, f"s/1/{what}")
        _, out, err = ask("compare", "s")
        assert reason in err
        assert "the job is left out" in err
        assert "(job 0)" in out
        assert "runs/s/1" in ask("doctor")[2] or "run.json" not in what


def test_a_job_whose_record_is_broken_is_kept_and_repeated(ask, sound, tmp_path):
    broken(sound, tmp_path, "s/1/run.json binary")
    assert "1 of 2 jobs had finished; 1 to go" in ask("-m", "sweep.resume=s")[1]
    aside = tmp_path / "runs" / "s" / "attempts" / "1-1"
    assert (aside / "run.json").read_bytes() == bytes(range(256))
    assert (aside / "metrics.jsonl").read_bytes() == (sound / "runs" / "s" / "1" / "metrics.jsonl").read_bytes()


def test_what_stands_in_place_of_the_claims_is_moved_aside(ask, sound, tmp_path):
    broken(sound, tmp_path, ".running a link to nowhere")
    assert ".running is not a folder; renamed to" in ask(*QUICK)[2]
    assert (tmp_path / "runs" / ".running-1").is_symlink()
    assert (tmp_path / "runs" / ".running").is_dir()
