"""`stackprop save NAME [overrides]` writes experiments/NAME.yaml, which trains what the overrides train."""

from pathlib import Path

import pytest
import yaml
from plugin_file import doubling

from framework import run, sweep
from framework.config.composition import compose, composed
from framework.config.saving import recorded_overrides, save_experiment
from framework.core.errors import ConfigError
from framework.registry.discovery import discover
from framework.tracking.config_hash import config_hash
from framework.tracking.run_dir import read_state

pytestmark = pytest.mark.usefixtures("unrendered")

QUICK = ["dataset=xor", "trainer.epochs=1", "tracking=none"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def hash_of(*words):
    return config_hash(compose(list(words)).tree)


def saved(*words, name="wide", **more):
    return yaml.safe_load(save_experiment(name, list(words), **more).read_text())


def test_a_saved_experiment_is_the_command(ask):
    words = [*QUICK, "optimizer=nag", "optimizer.lr=0.003", "seed=0", "model.layers.drop={type:dropout,after:act}"]
    status, out, _ = ask("save", "wide", *words)
    assert (status, out) == (0, "written to experiments/wide.yaml; `stackprop experiment=wide` runs it\n")
    assert hash_of("experiment=wide") == hash_of(*words)


def test_it_holds_only_what_differs():
    assert saved("dataset=xor", "seed=0", "optimizer=adam", "optimizer.lr=0.01", "dtype=float32") == {
        "defaults": [{"override /dataset": "xor"}],
        "optimizer": {"lr": 0.01},
    }
    first = Path("experiments/wide.yaml").read_text().partition("\n")[0]
    assert first == "# stackprop dataset=xor seed=0 optimizer=adam optimizer.lr=0.01 dtype=float32"


@pytest.mark.parametrize(
    "words",
    [
        ["regularizer=null", "probes=[dead,saturated]", "probes.dead.nodes=[act]"],
        ["metrics=[f1,accuracy]", "metrics.f1.negative=1"],
        ["model.layers.drop={type:dropout,after:act}", "model.layers.drop.keep=0.9", "+model.layers.act={function:tanh}"],
        ["dataset.seed='${seed}'", "seed=4"],
        ["experiment=mse_or_mae", "optimizer.lr=0.5"],
        ["folds=3", "fold=1"],
    ],
)
def test_every_kind_of_override_is_saved(words):
    saved("dataset=spirals", *words)
    assert hash_of("experiment=wide") == hash_of("dataset=spirals", *words)


def test_a_removed_layer_is_null():
    assert saved("dataset=xor", "~model.layers.flat")["model"] == {"layers": {"flat": None}}


def test_a_sweep_is_saved_as_shipped_experiments_are():
    tree = saved("-m", *QUICK, "optimizer=sgd,adam", "optimizer.lr=0.1,0.01", "seed=range(2)")
    params = {"optimizer": "sgd,adam", "optimizer.lr": "0.1,0.01", "seed": "range(2)"}
    assert tree["hydra"] == {"mode": "MULTIRUN", "sweeper": {"params": params}}
    assert len(list(sweep("experiment=wide").folder.glob("*/run.json"))) == 8


def test_folds_are_a_sweep():
    assert saved("dataset=xor", "folds=3")["hydra"]["sweeper"]["params"] == {"fold": "range(3)"}


def test_a_value_replaces_the_sweep_of_a_shipped_experiment():
    saved("experiment=overfitting", "seed=5", "experiment/remedy=l2")
    assert dict(composed(["experiment=wide"]).hydra.sweeper.params) == {"experiment/remedy": "l2", "seed": 5}


def test_a_recorded_run_is_saved():
    made = run(*QUICK, "model.hidden=5")
    saved(*recorded_overrides(str(made.folder), ["seed=2"]))
    assert hash_of("experiment=wide", "seed=0") == read_state(made.folder)["config_hash"]
    assert hash_of("experiment=wide") == hash_of(*QUICK, "model.hidden=5", "seed=2")


def test_a_run_whose_command_means_less_now_is_saved_whole():
    saved(*QUICK, "model.hidden=5", name="mine")
    made = run("experiment=mine")
    Path("experiments/mine.yaml").unlink()
    assert recorded_overrides(str(made.folder)) == [f"experiment={made.folder / 'config.yaml'}"]
    saved(*recorded_overrides(str(made.folder)), "optimizer.lr=0.5")
    assert hash_of("experiment=wide") == hash_of(*QUICK, "model.hidden=5", "optimizer.lr=0.5")


def test_a_recorded_sweep_is_saved():
    folder = sweep(*QUICK, "seed=0,1", "name=two seeds").folder
    for word in (str(folder), "two seeds", "last"):
        found = saved(*recorded_overrides(word), force=True)
        assert found["hydra"]["sweeper"]["params"] == {"seed": "0,1"}
        assert "name" not in found


def test_a_file_is_not_replaced_by_accident():
    saved("seed=1")
    with pytest.raises(ConfigError, match=r"experiments/wide.yaml exists; .* --force"):
        saved("seed=2")
    assert saved("seed=2", force=True) == {"seed": 2}


@pytest.mark.parametrize(
    ("name", "words", "message"),
    [
        ("ridge", [], "ridge: stackprop has a preset of that name"),
        ("null", [], "null: not a valid name"),
        ("../x", [], r"\.\./x: not a valid name"),
        ("a", ["optimizer.lr=-1"], "optimizer.lr: -1.0 must be above 0"),
        ("a", ["-m", "optimizer.lr=0.1,-1"], "optimizer.lr: -1.0 must be above 0"),
        ("a", ["seed=1,2"], "seed=1,2: several values are a sweep; write `stackprop save NAME -m seed=1,2`"),
        ("a", ["debug=fast"], "debug=fast: this cannot be saved"),
        ("a", ["tracking.uri=http://a:secret@host"], "tracking.uri: it holds a password, which a file may not"),
        ("a", ["+hydra.callbacks.x._target_=evil.write"], "hydra.callbacks.x._target_: not allowed"),
        (
            "a",
            ["-m", "seed=1,2", "hydra/launcher=submitit", "+hydra.launcher.setup=[sh]"],
            "hydra.launcher.setup: not allowed in a file",
        ),
    ],
)
def test_what_cannot_be_saved_is_refused(name, words, message):
    with pytest.raises(ConfigError, match=message):
        save_experiment(name, ["dataset=xor", *words])
    assert not list(Path().rglob("*.yaml"))


def test_a_record_of_a_stranger_runs_no_plugin(tmp_path):
    made = run(*QUICK)
    (tmp_path / "evil.py").write_text("raise SystemExit('it ran')\n")
    state = made.folder / "run.json"
    state.write_text(state.read_text().replace("stackprop dataset", f"stackprop plugins=[{tmp_path}/evil.py] dataset"))
    with pytest.raises(ConfigError, match="which you have not run here"):
        recorded_overrides(str(made.folder))


def test_a_store_of_a_stranger_is_not_saved():
    made = run(*QUICK)
    state = made.folder / "run.json"
    state.write_text(state.read_text().replace("tracking=none", "tracking=mlflow tracking.uri=http://example.org"))
    assert not any("example.org" in word for word in recorded_overrides(str(made.folder)))


def test_a_plugin_is_saved_with_its_path(ask, tmp_path):
    (tmp_path / "mine.py").write_text(
        "from dataclasses import dataclass\nfrom framework import hookimpl\n"
        "@dataclass(frozen=True)\nclass Same:\n    '''y = x.'''\n"
        "    def forward(self, x, ctx):\n        return x, None\n"
        "    def backward(self, dy, cache, ctx):\n        return dy\n"
        "@hookimpl\ndef register_activations(register):\n    register('same', Same)\n"
    )
    status, _, errors = ask("save", "wide", "plugins=[mine.py]", "activation=same", "dataset=xor")
    assert status == 0, errors
    assert yaml.safe_load(Path("experiments/wide.yaml").read_text())["plugins"] == [str(tmp_path / "mine.py")]


def test_the_last_of_two_values_is_saved():
    assert saved("seed=1", "optimizer=nag", "seed=2", "optimizer=sgd") == {
        "defaults": [{"override /optimizer": "sgd"}],
        "seed": 2,
    }
    assert saved("seed=1", "-m", "seed=2,3", force=True)["hydra"]["sweeper"]["params"] == {"seed": "2,3"}


def test_a_saved_choice_of_a_plugin_runs_in_a_new_process(ask, tmp_path):
    (tmp_path / "mine.py").write_text(doubling("bent_twice"))
    status, _, errors = ask("save", "wide", "plugins=[mine.py]", "activation=bent_twice", *QUICK)
    assert status == 0, errors
    assert "override /activation: bent_twice" in Path("experiments/wide.yaml").read_text()
    discover().forget_file(tmp_path / "mine.py")
    assert "bent_twice" not in discover().names("activation")
    assert compose(["experiment=wide"]).tree["activation"] == {"type": "bent_twice"}
