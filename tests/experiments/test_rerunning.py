"""A recorded run is repeated: its overrides, with changes, give what it recorded, whatever has changed since."""

import json
import shutil

import pytest
from plugin_file import doubling

import framework
from framework.core.errors import ConfigError
from framework.experiments.continuing import resumption
from framework.experiments.rerunning import rerun_of
from framework.registry.discovery import discover

SHORT = ("dataset=spirals", "dataset.n=40", "tracking=none", "trainer.epochs=1", "tier=array")
BENT = doubling("bent")
ONE = "hydra.mode=RUN"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Finished runs: `adam` and `nag`, a sweep of two jobs, and a study."""
    place = tmp_path_factory.mktemp("rerunning")
    patch = pytest.MonkeyPatch()
    patch.setattr("matplotlib.figure.Figure.savefig", lambda figure, file, **_: file.write(b"\x89PNG"))
    patch.chdir(place)
    framework.run(*SHORT, "model.hidden=4", "optimizer.lr=0.02", "hydra.run.dir=runs/adam")
    framework.run(*SHORT, "optimizer=nag", "optimizer.alpha=0.5", "hydra.run.dir=runs/nag")
    framework.sweep(*SHORT, "seed=1,2", "hydra.sweep.dir=runs/sweep")
    framework.run("dataset=xor", "tracking=none", "study=overfit_batch", "study.goal=0.9", "hydra.run.dir=runs/study")
    yield place / "runs"
    patch.undo()


def changed(runs, tmp_path, *pairs):
    """A copy of the run `adam` with another recorded configuration, as if defaults had changed since."""
    folder = shutil.copytree(runs / "adam", tmp_path / "runs" / "old")
    text = (folder / "config.yaml").read_text()
    for old, new in pairs:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (folder / "config.yaml").write_text(text)
    return str(folder)


def test_a_rerun_gives_the_same_numbers(runs):
    found = framework.rerun("adam")
    assert (found.folder / "metrics.jsonl").read_bytes() == (runs / "adam/metrics.jsonl").read_bytes()
    assert [run.folder.name for run in framework.runs("rerun=adam")] == [found.folder.name]
    assert found.overrides == {"model.hidden": "4", "optimizer.lr": "0.02", **dict(word.split("=") for word in SHORT)}


@pytest.mark.parametrize(
    ("run", "changes", "expected"),
    [
        ("adam", [], [*SHORT, "model.hidden=4", "optimizer.lr=0.02", ONE]),
        ("adam", ["optimizer.lr=0.1"], [*SHORT, "model.hidden=4", "optimizer.lr=0.1", ONE]),
        ("adam", ["++optimizer.lr=0.1"], [*SHORT, "model.hidden=4", "++optimizer.lr=0.1", ONE]),
        ("adam", ["dataset=xor"], [*SHORT[2:], "model.hidden=4", "optimizer.lr=0.02", "dataset=xor", ONE]),
        ("nag", ["optimizer=adam"], [*SHORT, "optimizer=adam", ONE]),
        ("sweep/1", ["trainer.epochs=2"], [*SHORT[:3], SHORT[4], "seed=2", "trainer.epochs=2", ONE]),
        ("study", ["seed=3"], ["dataset=xor", "tracking=none", "study=overfit_batch", "study.goal=0.9", "seed=3", ONE]),
    ],
)
def test_changes_replace_overrides_of_the_run(runs, run, changes, expected):
    assert rerun_of(run, changes).words == tuple(expected)


def test_what_a_new_choice_lacks_is_left_out_and_reported(runs):
    (note,) = rerun_of("nag", ["optimizer=adam"]).notes
    assert note.startswith("optimizer.alpha=0.5 of the run is left out: optimizer.alpha: optimizer 'adam' has no such")
    found = rerun_of("adam", ["model=mlp2", "optimizer=sgd"])
    assert (found.notes, "model.hidden=4" in found.words, "optimizer.lr=0.02" in found.words) == ((), True, True)


def test_changes_are_swept(runs):
    assert rerun_of("adam", ["seed=1,2"], several=True).words == (*SHORT, "model.hidden=4", "optimizer.lr=0.02", "seed=1,2")


def test_a_changed_default_is_reported_and_the_recorded_value_used(runs, tmp_path):
    folder = changed(runs, tmp_path, ("eps: 1.0e-08", "eps: 1.0e-06"), ("shuffle: true", "shuffle: false"))
    found = rerun_of(folder)
    assert found.notes == (
        "optimizer.eps was 1e-06, is now 1e-08; the recorded value is used",
        "trainer.shuffle was false, is now true; the recorded value is used",
    )
    assert found.words[-3:] == ("++optimizer.eps=1e-06", "++trainer.shuffle=false", ONE)
    config = (framework.rerun(folder).folder / "config.yaml").read_text()
    assert config == (tmp_path / "runs/old/config.yaml").read_text()


def test_a_changed_variable_of_the_model_is_pinned_once(runs, tmp_path):
    folder = changed(runs, tmp_path, ("  hidden: 4\n", "  hidden: 5\n"), ("units: 4", "units: 5"))
    found = rerun_of(folder)
    assert found.notes == ("model.hidden was 5, is now 4; the recorded value is used",)
    assert "++model.hidden=5" in found.words
    assert not any(word.startswith("++model.layers") for word in found.words)


def test_a_change_comes_before_a_recorded_value(runs, tmp_path):
    folder = changed(runs, tmp_path, ("eps: 1.0e-08", "eps: 1.0e-06"))
    for change in ("optimizer.eps=1e-7", "optimizer=adamw"):
        found = rerun_of(folder, [change])
        assert (found.notes, found.words[-2:]) == ((), (change, ONE))


def test_what_presets_have_gained_or_lost_is_undone(runs, tmp_path):
    l2 = "regularizer: {type: l2, strength: 0.5, form: notes}"
    folder = changed(runs, tmp_path, ("regularizer: {}", l2), ("  eps: 1.0e-08\n", ""))
    found = rerun_of(folder)  # its command has no regularizer
    assert found.words[-4:] == ("++regularizer.type=l2", "++regularizer.strength=0.5", "++regularizer.form=notes", ONE)
    assert not any("eps" in word for word in found.words)  # an option that is new, with its default
    state = json.loads((tmp_path / "runs/old/run.json").read_text())
    (tmp_path / "runs/old/run.json").write_text(json.dumps({**state, "command": state["command"] + " regularizer=l1"}))
    config = (tmp_path / "runs/old/config.yaml").read_text()
    (tmp_path / "runs/old/config.yaml").write_text(config.replace(l2, "regularizer: {}"))
    found = rerun_of(folder)
    assert {"~regularizer.type", "~regularizer.strength"} <= {*found.words}
    assert "regularizer.type was not set, is now l1; it is left out" in found.notes


def test_an_option_that_is_gone_is_an_error(runs, tmp_path):
    folder = changed(runs, tmp_path, ("eps: 1.0e-08", "eps: 1.0e-08\n  warmth: 3"))
    with pytest.raises(ConfigError, match=r"its overrides cannot be composed here: optimizer\.warmth"):
        rerun_of(folder)


def test_a_whole_sweep_is_repeated_by_its_command(runs):
    with pytest.raises(ConfigError, match=r"its command is stackprop .*seed=1,2 .*; for one job: stackprop rerun"):
        rerun_of("sweep")


def test_a_sweep_is_a_sweep_by_its_name_too(runs, tmp_path):
    folder = shutil.copytree(runs / "sweep", runs / "other")
    content = json.loads((folder / "sweep.json").read_text())
    (folder / "sweep.json").write_text(json.dumps(content | {"about": {"name": "my rates"}, "launched": 1.0}))
    with pytest.raises(ConfigError, match=r"a sweep; its command is stackprop -m .* stackprop rerun 'my rates/0'"):
        rerun_of("my rates")
    with pytest.raises(ConfigError, match=r"a sweep; stackprop 'sweep.resume=my rates' runs the jobs that are missing"):
        resumption("my rates")
    shutil.rmtree(folder)


def test_what_is_said_about_a_run_is_not_copied(runs, tmp_path):
    folder = shutil.copytree(runs / "adam", tmp_path / "named")
    about = {"name": "wide", "tags": {"paper": "fig3"}, "notes": "x"}
    (folder / "run.json").write_text(json.dumps(json.loads((folder / "run.json").read_text()) | {"about": about}))
    line = "not copied from the earlier run: {}; name=... and tags.KEY=... set new ones"
    assert rerun_of(str(folder)).notes == (line.format("name 'wide', tags (paper), notes"),)
    assert rerun_of(str(folder), ["name=new", "+tags.paper=fig4"]).notes == (line.format("notes"),)


def test_a_name_that_an_experiment_gives_is_no_difference(runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments/mine.yaml").write_text("name: mine\ntags: {a: b}\nnotes: hello\n")
    framework.run(*SHORT, "experiment=mine")
    found = rerun_of("mine")
    assert (found.notes, found.words) == ((), (*SHORT, "experiment=mine", ONE))


def test_a_run_from_another_folder_finds_its_file(runs, tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_text("x,y\n" + "".join(f"{i},{i % 2}\n" for i in range(20)))
    monkeypatch.chdir(tmp_path)
    words = ["dataset=csv", "dataset.path=a.csv", "dataset.target=y", "tracking=none", "trainer.epochs=1"]
    folder = framework.run(*words, "hydra.run.dir=runs/csv").folder
    monkeypatch.chdir(runs)
    found = rerun_of(str(folder))
    assert (found.notes, f"++dataset.path='{tmp_path}/a.csv'" in found.words) == ((), True)


def test_a_run_of_a_project_that_was_moved_reads_the_file_there(tmp_path, monkeypatch):
    before, after = tmp_path / "my project", tmp_path / "Übung"
    before.mkdir()
    (before / "a.csv").write_text("x,y\n" + "".join(f"{i},{i % 2}\n" for i in range(20)))
    monkeypatch.chdir(before)
    words = ["dataset=csv", "dataset.path=a.csv", "dataset.target=y", "tracking=none", "trainer.epochs=1"]
    framework.run(*words, "hydra.run.dir=runs/csv")
    before.rename(after)
    monkeypatch.chdir(after)
    found = rerun_of("runs/csv")
    assert found.notes == (f"dataset.path: {before}/a.csv does not exist any more; {after}/a.csv is used",)
    assert "dataset.path=a.csv" in found.words


def test_a_file_with_components_is_that_of_the_run(runs, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "bent.py"
    file.write_text(BENT)
    folder = framework.run(*SHORT, "plugins=[bent.py]", "activation=bent", "hydra.run.dir=runs/bent").folder
    assert f"plugins=['{file}']" in rerun_of(str(folder)).words
    file.write_text(BENT + "# changed\n")
    (copy,) = (folder / "plugins").iterdir()
    assert f"plugins=['{copy}']" in rerun_of(str(folder)).words
    assert "has changed since this run; the run's copy is used" in capfd.readouterr().err
    discover().forget_file(file)


def test_the_record_of_a_stranger_sets_no_flag_and_sends_nothing(runs, tmp_path):
    folder = changed(runs, tmp_path, ("tracking:\n  type: none", "tracking:\n  type: mlflow\n  uri: http://elsewhere"))
    state = json.loads((tmp_path / "runs/old/run.json").read_text())
    words = state["command"] + " --config-dir=x hydra.run.dir=x plugins=[evil.py] +plugins=[evil.py] sweep.resume=last"
    sends = f"{words} tracking=mlflow tracking.uri=http://elsewhere".replace("tracking=none", "")
    (tmp_path / "runs/old/run.json").write_text(json.dumps({**state, "command": sends}))
    with pytest.raises(ConfigError, match="names a store to which you have not sent runs before"):
        rerun_of(folder)
    assert "tracking=none" in rerun_of(folder, ["tracking=none"]).words
    (tmp_path / "runs/old/run.json").write_text(json.dumps({**state, "command": words}))
    assert not any(strange in word for word in rerun_of(folder).words for strange in ("config-dir", "evil", "last", "dir=x"))
    (tmp_path / "runs/old/run.json").write_text(json.dumps({**state, "command": "rm -rf '"}))
    with pytest.raises(ConfigError, match="it has no command"):
        rerun_of(folder)


def test_the_verb_runs_and_sweeps(runs, ask, unrendered):
    for words in (["rerun", str(runs / "adam"), "seed=1"], ["rerun", str(runs / "adam"), "seed=1,2", "-m"]):
        status, out, _ = ask(*words)
        assert (status, "val/accuracy" in out) == (0, True)
