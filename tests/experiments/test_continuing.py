"""A run that ended goes on for longer as a new run, and one that a signal stopped goes on in its folder."""

import json
import os
import shutil
import signal

import numpy as np
import pytest

import framework
from framework.core.errors import ConfigError
from framework.experiments.continuing import resumption
from framework.experiments.runner import RecordingCallback
from framework.tracking import checkpoint as checkpoints
from framework.tracking.run_dir import read_state

SHORT = ("dataset=spirals", "dataset.n=40", "model.hidden=4", "tracking=none", "trainer.read_every=1", "tier=array")


def start(*overrides, to):
    return framework.run(*SHORT, *overrides, f"hydra.run.dir={to}").folder


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Finished runs: `plain`, `early` (stopped by its patience), `goal`, `counted` (in steps), and a sweep of two jobs."""
    place = tmp_path_factory.mktemp("continuing")
    patch = pytest.MonkeyPatch()
    patch.setattr("matplotlib.figure.Figure.savefig", lambda figure, file, **_: file.write(b"\x89PNG"))
    patch.chdir(place)
    start("trainer.epochs=3", to="runs/plain")
    start("trainer.epochs=90", "trainer.early_stopping.patience=1", "optimizer.lr=0.5", to="runs/early")
    start("trainer.epochs=90", "trainer.early_stopping.goal=9", to="runs/goal")
    start("trainer.steps=5", "schedule=cosine", to="runs/counted")
    framework.sweep(*SHORT, "trainer.epochs=1", "seed=1,2", "hydra.sweep.dir=runs/sweep")
    yield place / "runs"
    patch.undo()


@pytest.mark.parametrize(("length", "epochs"), [("trainer.epochs=+2", 5), ("trainer.steps=+6", 5)])
def test_a_longer_run_is_new_and_equals_one_from_the_start(runs, length, epochs):
    before = contents(runs / "plain")
    found = framework.resume("plain", length)
    assert framework.result("last").folder == found.folder
    whole = start(f"trainer.epochs={epochs}", to=f"runs/whole-{length[-2:]}")
    assert contents(runs / "plain") == before
    assert (found.folder / "metrics.jsonl").read_bytes() == (whole / "metrics.jsonl").read_bytes()
    for name, tensors in framework.load(whole).weights.items():
        for tensor, a in tensors.items():
            assert np.array_equal(a, found.model.weights[name][tensor])
    state = read_state(found.folder)
    assert (state["status"], state["tags"]) == ("finished", {"continued": "plain"})
    assert state["command"].endswith(length.replace("+2", "5").replace("+6", "15"))
    assert found.folder.parent == runs


def test_a_longer_run_can_go_on_again(runs):
    found = framework.resume(framework.resume("plain", "trainer.epochs=4").folder, "trainer.epochs=+1")
    assert read_state(found.folder)["steps"] == 5 * read_state(runs / "plain")["steps_per_epoch"]
    assert read_state(found.folder)["command"].count("trainer.epochs") == 1


def test_a_longer_run_gets_a_name_of_its_own(runs):
    found = framework.resume("plain", "trainer.epochs=+1", "name=longer", "tags={paper: fig4}", "tags.a=b", "notes=on")
    assert (found.name, found.tags, found.notes) == ("longer", {"paper": "fig4", "a": "b"}, "on")
    assert framework.result("longer").folder == found.folder
    assert [run.folder for run in framework.runs("continued=plain", "name=longer")] == [found.folder]
    with pytest.raises(ConfigError, match=r"name: without a new length .*; stackprop tag runs/plain 'name=my own'"):
        resumption("plain", ["name=my own"])
    with pytest.raises(ConfigError, match=r"tags.sweep: 'sweep' is a tag that stackprop sets"):
        resumption("plain", ["trainer.epochs=+1", "tags.sweep=x"])


def test_more_patience_lets_a_run_go_on(runs):
    found = framework.resume("early", "trainer.early_stopping.patience=+3")
    whole = start(
        "trainer.epochs=90", "trainer.early_stopping.patience=4", "optimizer.lr=0.5", to="runs/patient"
    )  # from the start
    assert (found.folder / "metrics.jsonl").read_bytes() == (whole / "metrics.jsonl").read_bytes()
    assert read_state(found.folder)["kept"] == read_state(whole)["kept"]


def test_a_schedule_over_the_whole_training_is_reported(runs):
    (_, note) = resumption("counted", ["trainer.steps=+5"]).notes
    assert note.startswith(
        "schedule: Cosine depends on the length: optimizer.lr was 9.55e-05 in step 5 of 5, and is 0.0005 in"
    )
    assert len(resumption("plain", ["trainer.epochs=+1"]).notes) == 1


@pytest.mark.parametrize(
    ("run", "overrides", "expected"),
    [
        ("plain", [], "the run has ended (finished); to train longer: stackprop resume runs/plain trainer.epochs=+20"),
        ("plain", ["trainer.epochs=3"], "trainer.epochs: it must be more than 3, that of the run (got 3)"),
        ("plain", ["trainer.epochs=many"], "trainer.epochs: not a number (got 'many'); a total such as 23, or +20 for 20"),
        ("plain", ["trainer.epochs=-1"], "trainer.epochs: not a number (got '-1')"),
        ("plain", ["trainer.epochs=+1", "trainer.steps=+1"], "one length, given once"),
        ("plain", ["seed=2"], "for another configuration: stackprop rerun runs/plain seed=2"),
        ("plain", ["trainer.epochs"], "a run goes on unchanged, except for trainer.epochs, trainer.steps"),
        ("plain", ["trainer.early_stopping.patience=+1"], "the run has none, so it kept no best weights (got +1)"),
        (
            "early",
            ["trainer.epochs=+1"],
            "in 1 validations, and the patience is 1; trainer.early_stopping.patience=+10 ",
        ),
        ("goal", ["trainer.epochs=+1"], "val/loss has reached 9; trainer.early_stopping.goal=null, or another goal, lets"),
        ("goal", ["trainer.early_stopping.goal=low"], "trainer.early_stopping.goal: not a number (got 'low')"),
        ("counted", ["trainer.epochs=+1"], "the run counts steps, trainer.steps=5 (got +1); use trainer.steps=+N"),
        ("sweep/0", ["trainer.epochs=+1"], "a job of a sweep has none at its end without trainer.checkpoint_at_end=true"),
        ("sweep/0", [], "from the start: stackprop rerun runs/sweep/0"),
        ("nothing", [], "unknown run 'nothing'"),
    ],
)
def test_what_cannot_go_on_is_reported_with_what_can(runs, run, overrides, expected):
    with pytest.raises(ConfigError) as error:
        resumption(run, overrides)
    assert expected in str(error.value)


def test_another_goal_lets_a_run_go_on(runs):
    found = framework.resume("goal", "trainer.early_stopping.goal=0.95")
    assert (found.status, found.reason) == ("stopped_early", "val/loss has reached 0.95")


def test_a_changed_configuration_does_not_go_on(runs, tmp_path):
    folder = shutil.copytree(runs / "plain", tmp_path / "changed")
    config = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(config.replace("seed: 0", "seed: 1"))
    with pytest.raises(ConfigError, match="has changed since the run started"):
        resumption(str(folder), ["trainer.epochs=+1"])
    (folder / "config.yaml").write_text(config)
    checkpoints.save(tmp_path / "empty.npz", {}, {"training": {"step": 1}, "metrics_bytes": 1})
    shutil.copy(tmp_path / "empty.npz", folder / "checkpoint.npz")
    with pytest.raises(ConfigError, match="not a checkpoint of a run"):
        resumption(str(folder), ["trainer.epochs=+1"])
    shutil.copy(runs / "plain" / "checkpoint.npz", folder)
    (folder / "metrics.jsonl").write_bytes(b"")
    with pytest.raises(ConfigError, match="it is shorter than when the checkpoint was written"):
        resumption(str(folder), ["trainer.epochs=+1"]).run()


def test_jobs_of_a_sweep_keep_their_last_state_where_asked(runs):
    words = (*SHORT, "trainer.epochs=2", "trainer.checkpoint_at_end=true", "seed=1,2", "hydra.sweep.dir=runs/kept")
    framework.sweep(*words)
    found = framework.resume("kept/1", "trainer.epochs=+1")
    whole = start("trainer.epochs=3", "seed=2", to="runs/whole-job")
    one, other = (json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1]) for folder in (found.folder, whole))
    assert one == pytest.approx(other, rel=1e-5)  # a stack sums in another order
    assert read_state(found.folder)["tags"] == {"continued": "kept/1"}


def test_no_checkpoint_is_left_where_none_is_wanted(runs):
    assert not (start("trainer.epochs=1", "trainer.checkpoint_at_end=false", to="runs/bare") / "checkpoint.npz").exists()
    assert not (runs / "sweep" / "0" / "checkpoint.npz").exists()


def signal_at(monkeypatch, step, number):
    """Send a signal to this process at a training step, once."""
    before, sent = RecordingCallback.on_steps, []

    def steps(self, member, first, columns, rows):
        if first + len(rows) > step and not sent:
            sent.append(number)
            os.kill(os.getpid(), number)
        before(self, member, first, columns, rows)

    monkeypatch.setattr(RecordingCallback, "on_steps", steps)


@pytest.fixture
def heard():
    """Signals that are not ignored, as they are where pytest runs in the background."""
    before = {number: signal.signal(number, signal.default_int_handler) for number, *_ in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


SIGNALS = [(signal.SIGINT, 130, "Ctrl-C"), (signal.SIGTERM, 143, "SIGTERM"), (signal.SIGHUP, 129, "SIGHUP")]


@pytest.mark.parametrize(("number", "status", "name"), SIGNALS)
def test_a_signal_saves_a_run_that_then_goes_on(ask, tmp_path, unrendered, heard, number, status, name):
    words = (*SHORT, "trainer.epochs=4", "hydra.run.dir=runs/a")
    with pytest.MonkeyPatch.context() as patch:
        signal_at(patch, 7, number)
        ended, out, errors = ask(*words)
    reason = f"stopped by {name} in epoch 3 of 4, at step 7 of 12"
    assert ended == status
    assert f"killed ({reason})" in out
    assert "resume runs/a" in out
    assert errors.endswith(f"stackprop: stopped by {name}\n")
    state = read_state(tmp_path / "runs/a")
    assert (state["status"], state["reason"], state["kept"]["step"]) == ("killed", reason, 7)
    ended, out, errors = ask("evaluate", "last")
    assert (ended, f"the run was {reason}" in errors, "val/accuracy" in out) == (0, True, True)
    assert ask("resume", "last")[0] == 0
    assert ask(*words[:-1], "hydra.run.dir=runs/b")[0] == 0
    one, other = ((tmp_path / "runs" / run / "metrics.jsonl").read_bytes() for run in "ab")
    assert one == other


def test_a_stopped_run_goes_on_for_longer_as_a_new_one(ask, tmp_path, unrendered):
    with pytest.MonkeyPatch.context() as patch:
        signal_at(patch, 7, signal.SIGTERM)
        ask(*SHORT, "trainer.epochs=3", "hydra.run.dir=runs/a")
    ended, _, errors = ask("resume", "a", "trainer.epochs=+2")
    assert (ended, "continues from step 7 of runs/a to step 15, as a new run in runs/" in errors) == (0, True)
    assert read_state(tmp_path / "runs/a")["status"] == "killed"
    ask(*SHORT, "trainer.epochs=5", "hydra.run.dir=runs/b")
    (new,) = (tmp_path / "runs").glob("2*")
    assert (new / "metrics.jsonl").read_bytes() == (tmp_path / "runs/b/metrics.jsonl").read_bytes()


def test_a_checkpoint_that_cannot_be_written_costs_no_run(ask, tmp_path, monkeypatch, unrendered):
    def full(path, *_):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("framework.tracking.checkpoint.save", full)
    ended, out, errors = ask(*SHORT, "trainer.epochs=1", "hydra.run.dir=runs/a")
    assert (ended, "finished" in out) == (0, True)
    assert "checkpoint.npz: No space left on device; the run cannot be trained longer" in errors


@pytest.mark.parametrize(("status", "length"), [("finished", ["trainer.epochs=+1"]), ("killed", [])])
def test_a_layer_whose_tensors_have_changed_cannot_go_on(runs, tmp_path, status, length):
    folder = shutil.copytree(runs / "plain", tmp_path / "changed")
    (folder / "run.json").write_text(json.dumps({**read_state(folder), "status": status}))
    arrays, plain = checkpoints.load(folder / "checkpoint.npz")
    plain["training"]["tensors"][0] = ["hidden", "scale", 1, 8]  # a plugin of an earlier version
    checkpoints.save(folder / "checkpoint.npz", arrays, plain)
    found = len(list(runs.iterdir()))
    why = r"of another network: it has hidden.scale \(1, 8\) where the network now has hidden.W \(2, 4\)"
    with pytest.raises(ConfigError, match=why + f"; from the start: stackprop rerun {folder}"):
        resumption(str(folder), length)
    assert len(list(runs.iterdir())) == found
