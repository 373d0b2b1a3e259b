"""Experiments of the user: a file in `experiments/`, beside the runs or in --config-dir, is `experiment=NAME`."""

from pathlib import Path

import pytest
import yaml

from framework import sweep
from framework.config.composition import compose
from framework.config.own_experiments import with_hydra_groups
from framework.core.errors import ConfigError

WIDE = "# Wide.\ndefaults:\n  - override /dataset: xor\nmodel: {hidden: 512}\ntrainer: {epochs: 1}\ntracking: {type: none}\n"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(text, name="wide", folder="experiments"):
    path = Path(folder, f"{name}.yaml")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def hidden(*words):
    return compose(list(words)).tree["model"]["hidden"]


def test_a_file_in_experiments_is_an_experiment(ask):
    write(WIDE)
    assert hidden("experiment=wide") == 512
    assert hidden("experiment=wide", "model.hidden=8") == 8
    assert "hidden: 512" in ask("experiment=wide", "--cfg", "job")[1]
    assert "(W 2x512 + b 1x512)" in ask("summary", "experiment=wide")[1]
    assert "wide" in ask("experiment=wid")[2]


def test_it_lies_beside_the_runs_too(tmp_path, monkeypatch):
    write(WIDE, folder="elsewhere/experiments")
    monkeypatch.setenv("STACKPROP_RUNS", str(tmp_path / "elsewhere" / "runs"))
    assert hidden("experiment=wide") == 512


@pytest.mark.parametrize("folder", ["mine/experiment", "mine/experiments"])
def test_it_lies_in_a_folder_of_presets_too(ask, folder):
    write(f"# @package _global_\n{WIDE}", folder=folder)
    assert "hidden: 512" in ask("--config-dir", "mine", "experiment=wide", "--cfg", "job")[1]


def test_it_may_lie_in_a_folder_within(ask):
    write(WIDE, "narrow/eight")
    assert hidden("experiment=narrow/eight") == 512


def test_any_file_is_an_experiment_by_its_path(tmp_path):
    path = write(WIDE, folder="some where")
    assert hidden(f"experiment={path}") == hidden(f"experiment={path.absolute()}") == 512


def test_python_sweeps_over_it():
    write(WIDE)
    write(WIDE.replace("512", "4"), "thin")
    folder = sweep("experiment=wide,thin").folder
    assert [yaml.safe_load((folder / job / "config.yaml").read_text())["model"]["hidden"] for job in "01"] == [512, 4]


@pytest.mark.parametrize("entry", ["optimizer: sgd", "override optimizer: sgd", "override /optimizer: sgd"])
def test_a_choice_needs_no_sign_of_hydra(entry):
    write(f"defaults:\n  - {entry}\n")
    assert compose(["experiment=wide"]).tree["optimizer"]["type"] == "sgd"


def test_an_experiment_builds_on_another():
    write(WIDE)
    write("defaults:\n  - wide\nseed: 3\n", "again")
    assert hidden("experiment=again") == 512


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: 1\nmodel: {hidden: 3\nseed: 2\n", "experiments/wide.yaml: line 3: "),
        ("seed: 1\nseed: 2\n", "experiments/wide.yaml: line 2: found duplicate key seed"),
        ("- a\n", "experiments/wide.yaml: this is not a mapping of keys to values"),
        ("defaults: 3\n", "experiments/wide.yaml: defaults: this is not a list"),
        ('seed: "${a"\n', "experiments/wide.yaml: no viable alternative"),
        ("sed: 3\n", "sed: unknown key; did you mean 'seed'?"),
        ("defaults: [{optimizer: sdg}]\n", "optimizer: unknown choice 'sdg'; did you mean 'sgd'?"),
        ("seed: !!python/object/apply:os.system [ls]\n", "experiments/wide.yaml: line 1: "),
    ],
)
def test_a_wrong_file_is_named_with_its_line(ask, text, message):
    write(text)
    status, _, errors = ask("experiment=wide")
    assert (status, message in errors, "Traceback" in errors) == (2, True, False), errors


def test_a_file_may_choose_the_sweeper_and_the_launcher(ask):
    quick = ["dataset=xor", "trainer.epochs=1", "tracking=none", "hydra.sweeper.n_trials=12"]
    words = ["-m", *quick, "hydra/sweeper=ant_colony", "optimizer.lr=interval(0.01,0.1)"]
    assert ask("save", "search", *words)[0] == 0
    status, out, errors = ask("experiment=search")
    assert (status, "best of 12 trials" in out) == (0, True), errors
    write("defaults:\n  - search\n  - override hydra/launcher: basic\n", "more")
    assert "hydra/sweeper=ant_colony" in with_hydra_groups(["experiment=more"])
    assert with_hydra_groups(["experiment=more", "hydra/sweeper=grid"])[2:] == ["hydra/launcher=basic"]


def test_a_shipped_name_is_kept_and_a_line_says_so(ask):
    write(WIDE, "ridge")
    errors = ask("experiment=ridge", "--cfg", "job")[2]
    assert "experiments/ridge.yaml is ignored: stackprop has a preset of that name; rename it" in errors
    assert "ignored" not in ask("--cfg", "job")[2]


def test_a_recursive_experiment_is_an_error(ask):
    write("defaults: [wide]\n")
    assert ask("experiment=wide")[0] == 2


def test_unknown_keys_of_a_python_request_are_errors():
    write("optimizer: {lrr: 1}\n")
    with pytest.raises(ConfigError, match=r"optimizer\.lrr"):
        compose(["experiment=wide"])
