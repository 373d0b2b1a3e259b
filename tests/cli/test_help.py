"""Help of the command and of every verb; what `describe` knows; what a misplaced name means."""

import re
import shlex

import pytest

from framework.cli import help as helps
from framework.cli.command_line import main
from framework.cli.commands import VERBS
from framework.cli.meanings import known_names, meanings
from framework.config.composition import compose
from framework.core.errors import ConfigError

RUNNING = ("-m", "save", "summary", "kernel")  # their examples hold overrides


@pytest.fixture
def output(capsys):
    """What a command prints, and its errors."""

    def answer(*words):
        with pytest.raises(SystemExit):
            main(words)
        return "".join(capsys.readouterr())

    return answer


def test_the_first_hour_comes_before_everything_else(output):
    text = output("--help")
    places = [text.index(command) for command, _ in helps.FIRST]
    assert places == sorted(places)
    assert max(places) < text.index("Tools:") < text.index("    check ") < text.index("Groups and their choices")


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_explains_itself_with_examples(output, verb):
    text = output(verb, "--help")
    assert text.startswith(f"usage: stackprop {verb}")
    shown = re.findall(r"^  (stackprop .*)$", text.partition("examples:")[2], re.M)
    assert shown == list(helps.examples(verb))
    assert all(shlex.split(command)[1] == verb for command in shown)
    assert output(verb, "-h") == text


def commands():
    return [command for command, _ in helps.FIRST] + [each for verb in VERBS for each in helps.examples(verb)]


@pytest.mark.parametrize("command", [each for each in commands() if "key=" not in each])
def test_every_override_in_a_help_is_valid(command):
    words = shlex.split(command)[1:]
    overrides = [word for word in words if re.match(r"[a-z_]+(\.[a-z_]+)*=", word)]
    if words and words[0] in VERBS and words[0] not in RUNNING:
        return
    compose([re.sub(r"=range\((\d+)\)|=([^,]+),.*", r"=\1\2", word) for word in overrides])


@pytest.mark.parametrize("command", helps.examples("describe"))
def test_every_example_of_describe_describes(command):
    assert meanings(shlex.split(command)[2])


def test_a_verb_of_a_plugin_has_its_options(output, tmp_path):
    file = tmp_path / "greet.py"
    file.write_text(
        "from dataclasses import dataclass\nfrom framework import hookimpl, option\n"
        "@dataclass(frozen=True)\nclass Greet:\n    '''Say hello.'''\n"
        "    times: int = option(1, least=1, help='how often')\n"
        "    def __call__(self, arguments):\n        return 0\n"
        "@hookimpl\ndef register_commands(register):\n    register('greet', Greet)\n"
    )
    text = output("greet", f"plugins=[{file}]", "--help")
    assert "usage: stackprop greet [key=value ...]\n\nSay hello." in text
    assert "times=VALUE  how often (integer, >= 1; 1)" in text


def test_an_unknown_verb_has_no_help(output):
    assert "unknown verb 'compar'; did you mean 'compare'?" in output("compar", "--help")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("adam", ["optimizer 'adam'", "beta1", "decay of the mean of g"]),
        ("optimizer", ["group 'optimizer'", "optimizer=NAME", "sgd", "w <- w - lr g"]),
        ("layer", ["kind 'layer'", "dense"]),
        ("probes", ["probes=[NAME,NAME]", "dead", "layers"]),
        ("model/lstm", ["model preset 'lstm'", "An LSTM", "model.hidden=32 model.output=all", "one_hot"]),
        ("lstm", ["cell 'lstm'", "model preset 'lstm'"]),
        ("vanishing_gradient", ["experiment 'vanishing_gradient'", "How far back", "seed: range(10)", "model: rnn"]),
        ("trainer", ["trainer.epochs", "trainer.early_stopping.patience"]),
        ("dataset", ["group 'dataset'", "dataset.scale", "dataset.seed", "folds", "fold"]),
        ("tracking", ["tracking.uri", "mlflow"]),
        ("figure", ["figure.x", "figure.log"]),
        ("seed", ["key 'seed'", "integer", "0"]),
        ("trainer.epochs", ["key 'trainer.epochs'", ">= 1", "40", "passes over"]),
        ("optimizer.lr", ["option 'optimizer.lr'", "sgd", "0.1"]),
        ("model.hidden", ["variable 'model.hidden'", "mlp2", "128"]),
        ("mae", ["loss 'mae'", "metric 'mae'"]),
        ("optimizer=adam", ["optimizer 'adam'", "beta1"]),
        ("hydra", ["group 'hydra/sweeper'", "optuna", "group 'hydra/launcher'", "Stacks as tasks of a Ray cluster"]),
        ("hydra/sweeper=ant_colony", ["sweeper 'ant_colony'", "hydra.sweeper.evaporation", "0.2", "fraction of pheromone"]),
        ("ray", ["launcher 'ray'", "hydra.launcher.parameters.num_gpus", "hydra/launcher=ray"]),
        ("hydra.sweeper.n_trials", ["ant_colony_lstm", "160", "optuna", "64"]),
        ("figures", ["confusion", "parallel", "describe figure/NAME"]),
        ("figure/confusion", ["figure 'confusion'", "normalize", "width", "stackprop figure RUN|SWEEP confusion"]),
    ],
)
def test_describe_knows_every_kind_of_name(output, name, shown):
    text = output("describe", name)
    assert [part for part in shown if part not in text] == []


def test_describe_knows_its_own_names():
    assert all(map(meanings, known_names()[::40]))


def test_an_unreadable_experiment_does_not_hide_the_others(output, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "odd.yaml").write_bytes(b"\xff\xfe")
    text = output("describe", "experiment")
    assert "odd" in text
    assert "vanishing_gradient" in text
    assert "experiments/odd.yaml: this is not UTF-8 text" in output("describe", "odd")


def test_an_own_experiment_is_described(output, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "wide.yaml").write_text("# Wide.\nmodel: {hidden: 512}\n")
    text = output("describe", "wide")
    assert "experiment 'wide'\n\nWide.\n\nIt sets (experiments/wide.yaml):" in text
    assert "Run it: stackprop experiment=wide" in text


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("optimizer=cosine", "optimizer: unknown choice 'cosine'; 'cosine' is a schedule: schedule=cosine"),
        ("model=adam", "model: unknown choice 'adam'; 'adam' is an optimizer: optimizer=adam"),
        ("loss=accuracy", "'accuracy' is a metric: metrics=[accuracy]"),
        ("model=dense", "'dense' is a layer (stackprop describe layer/dense)"),
        ("lr=0.1", "lr: unknown key; did you mean optimizer.lr?"),
        ("epochs=5", "epochs: unknown key; did you mean trainer.epochs?"),
        ("hidden=5", "hidden: unknown key; did you mean model.hidden?"),
        ("scale=standard", "scale: unknown key; did you mean dataset.scale?"),
        ("patience=3", "patience: unknown key; did you mean trainer.early_stopping.patience?"),
        ("momentum=0.9", "momentum: unknown key; 'momentum' is an optimizer: optimizer=momentum"),
        ("adam", "unknown verb 'adam'; 'adam' is an optimizer: optimizer=adam"),
        ("vanishing_gradient", "'vanishing_gradient' is an experiment: experiment=vanishing_gradient"),
        ("experiment=vanishing", "did you mean 'vanishing_gradient'?"),
    ],
)
def test_a_misplaced_name_is_found_elsewhere(output, word, hint):
    assert hint in output(word, "--cfg", "job")


def test_an_unknown_name_has_the_closest():
    for name, near in {
        "adm": "adam",
        "model/lst": "lstm",
        "trainer.epoch": "trainer.epochs",
        "traner": "trainer",
        "hydra/sweeper=optun": "optuna",
    }.items():
        with pytest.raises(ConfigError, match=f"did you mean '{near}'"):
            meanings(name)
