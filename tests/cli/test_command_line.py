"""What may be typed: overrides and flags as people write them, in any order, and what the surroundings decide."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from framework.cli.command_line import late_verb
from framework.config.composition import compose
from framework.tracking.mlflow import MlflowStore
from framework.tracking.options import Tracking

pytestmark = pytest.mark.usefixtures("unrendered")

QUICK = ["dataset=xor", "trainer.epochs=1", "tracking=none", "threads=1"]
COMMAND = str(Path(sys.executable).with_name("stackprop"))


def job(place, pattern="runs/2*"):
    """The configuration of the only run."""
    (found,) = place.glob(f"{pattern}/config.yaml")
    return yaml.safe_load(found.read_text())


FLAGS = [["-m", *QUICK, "seed=0,1"], [*QUICK, "-m", "seed=0,1"], [*QUICK, "seed=0,1", "--multirun"]]


@pytest.mark.parametrize("words", FLAGS)
def test_a_flag_may_stand_before_between_or_behind(ask, tmp_path, words):
    status, out, told = ask(*words)
    assert (status, told) == (0, ""), told
    assert "2 jobs in 1 stack" in out
    (sweep,) = tmp_path.glob("runs/sweep-*")
    assert json.loads((sweep / "sweep.json").read_text())["command"][0] == "-m"


@pytest.mark.parametrize("launcher", ["stacked", "basic"])
def test_a_sweep_compares_a_group_with_and_without(ask, tmp_path, launcher):
    status, out, told = ask("-m", *QUICK, "regularizer=null,l2", f"hydra/launcher={launcher}")
    assert status == 0, told
    assert "null" in out
    found = {
        (yaml.safe_load(path.read_text()).get("regularizer") or {}).get("type")
        for path in tmp_path.glob("runs/sweep-*/*/config.yaml")
    }
    assert found == {None, "l2"}
    words = [
        word for path in tmp_path.glob("runs/sweep-*/*/.hydra/overrides.yaml") for word in yaml.safe_load(path.read_text())
    ]
    assert {"regularizer=null", "regularizer=l2"} <= set(words)


@pytest.mark.parametrize("group", ["regularizer", "augmentation", "probes", "study", "experiment", "debug"])
def test_null_takes_out_a_group_that_may_be_absent(group):
    assert compose([*QUICK, f"{group}=null"]).tree == compose(QUICK).tree


def test_null_takes_out_what_a_preset_has_chosen():
    assert compose(["experiment=remedy/l2"]).regularizers
    assert not compose(["experiment=remedy/l2", "regularizer=null"]).regularizers


def test_whole_numbers_may_be_written_with_an_e():
    settings = compose(["trainer.epochs=1e1", "trainer.steps=1e3", "trainer.batch_size=2e0", "optimizer.lr=1e-2"])
    options = settings.trainer
    assert (options.epochs, options.steps, options.batch_size) == (10, 1000, 2)
    assert all(isinstance(number, int) for number in (options.epochs, options.steps, options.batch_size))


def test_a_layer_may_have_another_width_than_its_variable():
    settings = compose(["model.layers.hidden.units=64"])
    assert settings.nodes["hidden"].layer.units == 64


def test_a_preset_may_set_what_another_one_left_to_a_variable(ask, tmp_path):
    preset = tmp_path / "conf" / "experiment" / "wide.yaml"
    preset.parent.mkdir(parents=True)
    preset.write_text("# @package _global_\nmodel: {layers: {hidden: {units: 64}}}\n")
    assert ask("--config-dir", "conf", "experiment=wide", *QUICK)[0] == 0
    preset.write_text("# @package _global_\nmodel: {hiden: 64}\n")
    status, _, told = ask("--config-dir", "conf", "experiment=wide", *QUICK)
    assert (status, "model.hiden: not used by any layer; did you mean 'hidden'?" in told) == (2, True)


def test_a_path_may_hold_any_letter(ask, tmp_path, monkeypatch):
    rows = "".join(f"{i},{i % 7},{'ab'[i % 2]}\n" for i in range(40))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("a (1).csv", "Länge=50%#.csv", "home/x.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"a,b,y\n{rows}")
    for path in ("a (1).csv", "Länge=50%#.csv", "~/x.csv"):
        words = ["dataset=csv", f"dataset.path={path}", "dataset.target=y"]
        status, _, told = ask(*words, *QUICK[1:], f"hydra.run.dir=runs/2-{len(path)}")
        assert status == 0, told
        assert Path(job(tmp_path, f"runs/2-{len(path)}")["dataset"]["path"]).is_file()


def test_what_a_message_advises_can_be_typed(ask, tmp_path):
    rows = "".join(f"5,{i % 7},1,{'ab'[i % 2]}\n" for i in range(40))
    (tmp_path / "a.csv").write_text(f"Länge,b,null,y\n{rows}")
    words = ["dataset=csv", "dataset.path=a.csv", "dataset.target=y", *QUICK[1:]]
    status, _, told = ask(*words)
    advice = told.strip().rpartition("leave it out: ")[2]
    assert (status, advice) == (2, """'dataset.drop=["Länge","null"]'""")
    assert ask(*words, advice.strip("'"))[0] == 0


@pytest.mark.slow
def test_relative_paths_mean_the_folder_of_the_command(ask, tmp_path):
    rows = "".join(f"{i},{i % 7},{'ab'[i % 2]}\n" for i in range(40))
    (tmp_path / "a.csv").write_text(f"a,b,y\n{rows}")
    words = ["dataset=csv", "dataset.path=a.csv", "dataset.target=y", "trainer.epochs=1", "hydra.job.chdir=true"]
    status, _, told = ask(*words)
    assert status == 0, told
    assert job(tmp_path)["dataset"]["path"] == str(tmp_path / "a.csv")
    assert [path.parent for path in tmp_path.rglob("mlflow.db")] == [tmp_path / "runs"]
    assert Path.cwd() == tmp_path


@pytest.mark.parametrize("folder", ["runs", "runs/x"])
def test_a_folder_that_cannot_be_made_costs_one_line(ask, tmp_path, folder):
    (tmp_path / "runs").touch()
    for words in ([f"hydra.run.dir={folder}/y"], ["-m", "seed=0,1", f"hydra.sweep.dir={folder}/y"]):
        status, _, told = ask(*QUICK, *words)
        assert (status, len(told.splitlines())) == (2, 1), told
        assert "STACKPROP_RUNS=FOLDER" in told


@pytest.mark.slow
def test_the_environment_of_mlflow_decides_where_nothing_else_does(ask, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///team.db")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    assert ask(*QUICK[:2])[0] == 0
    told = job(tmp_path)["tracking"]  # the reference, not what it gave
    assert (told["uri"], told["experiment"]) == ("${oc.env:MLFLOW_TRACKING_URI}", "${oc.env:MLFLOW_EXPERIMENT_NAME}")
    assert MlflowStore(Tracking(uri="sqlite:///team.db", experiment="mine"), tmp_path / "runs").client.search_runs(["1"])
    assert not (tmp_path / "runs" / "mlflow.db").exists()
    assert compose(["tracking.uri=sqlite:///own.db"]).tracking == Tracking(uri="sqlite:///own.db", experiment="mine")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    assert not compose([]).tracking.uri


def test_a_figure_of_what_nobody_recorded_is_reported(ask):
    status, out, told = ask("-m", *QUICK, "seed=0,1", "figure.y=val/nope")
    assert status == 0
    assert "figure.y: no job recorded 'val/nope'" in told
    assert "comparison.png" in out


def test_a_finished_run_names_what_trains_it_for_longer(ask):
    assert ask(*QUICK, "hydra.run.dir=runs/a")[0] == 0
    status, _, errors = ask("resume", "runs/a")
    assert (status, "stackprop resume runs/a trainer.epochs=+20" in errors) == (2, True)
    status, out, errors = ask("resume", "runs/a", "trainer.epochs=+1")
    assert (status, "continues from step" in errors, "finished" in out) == (0, True, True)


def test_help_and_version_are_ours_and_hydras(ask):
    status, out, _ = ask("--hydra-help")
    assert (status, "Use '--cfg hydra'" in out) == (0, True)
    status, out, _ = ask("--version")
    assert (status, out.split()[0]) == (0, "stackprop")


def test_ctrl_c_gives_its_reason(monkeypatch, capsys):
    from framework.cli import command_line as cli
    from framework.core.signals import raise_on_signals

    def stopped():
        raise KeyboardInterrupt

    with raise_on_signals():
        assert cli.guarded(stopped) == 130
    assert "stopped by Ctrl-C" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["--help"], ["describe", "adam"], ["plugins"], ["--cfg", "job"], ["--version"], ["summary"]]
)
def test_a_reader_that_leaves_at_once_costs_no_traceback(tmp_path, words):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([COMMAND, *words], cwd=tmp_path, stdout=write, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_an_output_without_a_letter_shows_the_others(tmp_path, encoding):
    env = {**os.environ, "PYTHONIOENCODING": encoding}
    words = ["-m", *QUICK, "seed=0,1"]
    done = subprocess.run([COMMAND, *words], cwd=tmp_path, capture_output=True, timeout=60, check=False, env=env)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"0.5" in done.stdout
    done = subprocess.run([COMMAND, "describe", "lstm"], cwd=tmp_path, capture_output=True, timeout=60, check=False, env=env)
    assert (done.returncode, done.stderr) == (0, b"")


def test_signs_that_a_font_lacks_cost_no_warning(ask, tmp_path):
    (tmp_path / "a.txt").write_text("好\t🙂 abcdef\n" * 60, encoding="utf-8")
    words = ["dataset=text", "dataset.path=a.txt", "dataset.length=10", "model=lstm", "model.hidden=4", "trainer.steps=2"]
    status, _, told = ask(*words, *QUICK[2:])
    assert status == 0
    assert "Glyph" not in told
    assert "could not be drawn" not in told


def test_a_mistake_found_while_a_study_runs_needs_no_traceback(ask, tmp_path):
    norm = "model.layers.norm={type:batch_norm,after:hidden}"
    status, _, err = ask("study=overfit_batch", "study.batch_size=1", "dataset=wine", norm, "tracking=none")
    assert status == 2
    assert "a batch has a single example" in err
    assert not list(tmp_path.rglob("traceback.txt"))
    (state,) = tmp_path.glob("runs/*/run.json")
    assert '"status": "failed"' in state.read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-m", "seed=1,1.0"], "are identical, since a value is given twice"),
        (["-m", "trainer.clip_norm=1,1.0"], "are identical, since a value is given twice"),
        (["-m", "seed=range(0)"], "the sweep has no jobs, since a swept key has no values"),
        (["heads=3"], "heads: 3 is not a mapping"),
        (["plugins=3", "--cfg", "hydra", "--package", "hydra.run"], ""),
        (["hydra.sweeper=null"], "hydra.sweeper: missing (got None)"),
        (["-m", "hydra.launcher=null", "seed=1,2"], "hydra.launcher: missing (got None)"),
        (["hydra.verbose=3"], "hydra.verbose: not allowed (got 3)"),
        (["--package", "x"], "--package needs --cfg"),
        (["-m", "optimizer.lr=interval(0.1,0.2)"], "needs a search; set hydra/sweeper=ant_colony"),
        (["trainer.early_stopping.monitor=val/los"], "'val/los' is not measured; did you mean 'val/loss'?"),
    ],
)
def test_odd_values_end_in_one_line(ask, tmp_path, words, message):
    own = [] if "--cfg" in words or "--package" in words else ["dataset=xor", "trainer.steps=2", "tracking=none"]
    status, _, err = ask(*words, *own)
    assert (status, message in err) == (2 if message else 0, True)
    assert "Traceback" not in err
    assert not list(tmp_path.glob("runs/*"))


def test_a_tag_of_yaml_in_a_preset_is_refused(ask, tmp_path):
    (tmp_path / "p" / "experiment").mkdir(parents=True)
    (tmp_path / "p" / "experiment" / "g.yaml").write_text("model: !!python/object/apply:os.mkdir [made]\n")
    status, _, err = ask("--config-dir", "p", "experiment=g")
    assert (status, "g.yaml" in err, "line 1" in err) == (2, True, True)
    assert not (tmp_path / "made").exists()


def test_metrics_that_the_user_names_are_in_the_table(ask):
    quick = ["dataset=iris", "trainer.epochs=1", "tracking=none", "seed=1,2"]
    _, out, _ = ask("-m", *quick, "metrics=[f1,balanced_accuracy]")
    assert "val/loss         val/f1  val/balanced_accuracy" in out
    _, out, _ = ask("-m", *quick, "metrics=[f1]", "figure.y=[val/loss]")
    assert "val/f1" not in out


def test_the_value_of_a_flag_is_not_a_verb_that_comes_late():
    assert late_verb(["--info", "plugins"]) == ""
    assert late_verb(["dataset=iris", "list"]) == "list"
    assert [late_verb([flag, "list"]) for flag in ("-m", "--multirun", "--trust")] == ["list"] * 3
