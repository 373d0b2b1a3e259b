"""A configuration from somebody else: whatever it names, no code of theirs runs, and no module of theirs is imported."""

import json
import os

import pytest
import yaml

from framework import run, sweep
from framework.config.composition import compose
from framework.core.errors import ConfigError

QUICK = ["dataset=xor", "trainer.epochs=1", "tracking=none"]
EVIL = {"_target_": "evil.write"}
PICKLE = {"_target_": "pandas.read_pickle", "filepath_or_buffer": "evil.pickle"}
HANDLER = {"version": 1, "handlers": {"x": {"class": "evil.Handler"}}, "root": {"handlers": ["x"], "level": "INFO"}}
FACTORY = {**HANDLER, "handlers": {"x": {"()": "evil.Handler"}}}
WRITER = {**HANDLER, "handlers": {"x": {"class": "logging.FileHandler", "filename": "evil.sh"}}}
OUTSIDE = {**HANDLER, "handlers": {"x": {"class": "logging.StreamHandler", "stream": "ext://evil.write"}}}
CREATED = "${oc.decode:'{_target_: evil.write}'}"

# name -> what stands in the stranger's preset
PRESETS = {
    "launcher": {"hydra": {"launcher": EVIL}},
    "a launcher of Hydra's that is not ours": {"hydra": {"launcher": {"_target_": "hydra_plugins.evil.Launcher"}}},
    "within the launcher": {"hydra": {"launcher": {"parameters": EVIL}}},
    "sweeper": {"hydra": {"sweeper": EVIL}},
    "sampler": {"hydra": {"sweeper": {"sampler": EVIL}}},
    "a pickle as the sampler": {"hydra": {"sweeper": {"sampler": PICKLE}}},
    "deep in the sweeper": {"hydra": {"sweeper": {"params": {"a": [{"b": EVIL}]}}}},
    "made by a resolver": {"hydra": {"sweeper": {"sampler": CREATED}}},
    "by reference": {"hydra": {"sweeper": {"sampler": "${hydra.help.x}"}, "help": {"x": EVIL}}},
    "a launcher's place": {"hydra": {"sweeper": {"_target_": "hydra_plugins.stackprop.StackedLauncher"}}},
    "callback": {"hydra": {"callbacks": {"x": EVIL}}},
    "callback of Hydra": {"hydra": {"callbacks": {"x": {"_target_": "hydra.experimental.callbacks.PickleJobInfoCallback"}}}},
    "callback made by a resolver": {"hydra": {"callbacks": {"x": CREATED}}},
    "handler": {"hydra": {"job_logging": HANDLER}},
    "handler of Hydra's log": {"hydra": {"hydra_logging": HANDLER}},
    "factory": {"hydra": {"job_logging": FACTORY}},
    "file": {"hydra": {"hydra_logging": WRITER}},
    "stream": {"hydra": {"hydra_logging": OUTSIDE}},
    "environment": {"hydra": {"job": {"env_set": {"PYTHONPATH": "."}}}},
    "partial": {"optimizer": {"x": {"_partial_": True}}},
    "layer": {"model": {"layers": {"act": EVIL}}},
    "commands of a cluster": {
        "defaults": [{"override /hydra/launcher": "submitit"}],
        "hydra": {"launcher": {"parameters": {"slurm_setup": ["sh evil.sh"]}}},
    },
    "a line break in a partition": {
        "defaults": [{"override /hydra/launcher": "submitit"}],
        "hydra": {"launcher": {"parameters": {"slurm_partition": "gpu\nsh evil.sh"}}},
    },
    "somebody else's cluster": {
        "defaults": [{"override /hydra/launcher": "ray"}],
        "hydra": {"launcher": {"address": "ray://evil.example:10001"}},
    },
}
# as words of a command, or of framework.run
WORDS = {
    "+hydra.sweeper.sampler._target_=evil.write": "hydra.sweeper.sampler._target_: not allowed",
    "+hydra.sweeper.sampler={_target_:evil.write}": "hydra.sweeper.sampler._target_: not allowed",
    "hydra.sweeper._target_=evil.write": "hydra.sweeper._target_: not allowed",
    "hydra.launcher._target_=evil.write": "hydra.launcher._target_: not allowed",
    "+hydra.callbacks.x._target_=evil.write": "hydra.callbacks.x._target_: not allowed",
    "+hydra.job_logging.handlers.x.class=evil.Handler": "hydra.job_logging: not allowed",
    "+hydra.hydra_logging.formatters.x.class=evil.Handler": "hydra.hydra_logging: not allowed",
    "hydra.searchpath=[pkg://evil]": "hydra.searchpath: not allowed (got 'pkg://evil')",
    "+hydra.job.env_set.LD_PRELOAD=evil.so": "hydra.job.env_set.LD_PRELOAD: not allowed",
    "+model.layers.x={_target_:evil.write}": "model.layers.x._target_: not allowed",
}


@pytest.fixture
def stranger(tmp_path, monkeypatch):
    """A folder with code that leaves a mark when it is imported or called, and the check that it has left none."""
    code = "import logging, pathlib\npathlib.Path({0!r}).touch()\n"
    code += "def write(*_, **__):\n    pathlib.Path({0!r}).touch()\nclass Handler(logging.Handler):\n    pass\n"
    mark = tmp_path / "mark"
    (tmp_path / "evil.py").write_text(code.format(str(mark)))
    (tmp_path / "evil.pickle").write_bytes(b"cbuiltins\nopen\n(V" + str(mark).encode() + b"\nVw\ntR.")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    before = dict(os.environ)
    yield tmp_path
    os.environ.clear()
    os.environ.update(before)
    assert not mark.exists()
    assert not (tmp_path / "evil.sh").exists()


def preset(folder, tree, name="conf/experiment/evil.yaml"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("# @package _global_\n" + yaml.safe_dump(tree, sort_keys=False))


def is_of_sweeps(name):
    """Whether it concerns what a sweep alone makes, its launcher and sweeper."""
    tree = PRESETS[name]
    return "defaults" in tree or not {"launcher", "sweeper"}.isdisjoint(tree.get("hydra", ()))


@pytest.mark.parametrize("name", PRESETS)
def test_no_code_runs_for_a_preset(ask, stranger, name):
    preset(stranger, PRESETS[name])
    for words in ([], ["-m", "seed=0,1"] if is_of_sweeps(name) else ["--cfg", "all"]):
        status, _, told = ask("--config-dir", "conf", "experiment=evil", *QUICK, *words)
        assert (status, "Traceback" in told) == (2, False), (words, told)
        assert "hydra." in told or "not allowed" in told
    assert not (stranger / "runs").exists()


@pytest.mark.parametrize("name", ["sampler", "callback", "handler"])
def test_no_code_runs_for_a_preset_in_any_mode(ask, stranger, name):
    preset(stranger, PRESETS[name])
    for words in (["-m", "seed=0,1"], ["--cfg", "all"]):
        assert ask("--config-dir", "conf", "experiment=evil", *QUICK, *words)[0] == 2


@pytest.mark.parametrize("name", PRESETS)
def test_no_code_runs_for_an_own_experiment(ask, stranger, name):
    preset(stranger, PRESETS[name], "experiments/evil.yaml")
    status, _, errors = ask(*QUICK, "experiment=evil", *(["-m", "seed=0,1"] if is_of_sweeps(name) else []))
    assert (status, "Traceback" in errors) == (2, False), errors


def test_a_plugin_of_an_experiment_is_not_run(ask, stranger):
    preset(stranger, {"plugins": ["evil.py"]}, "experiments/evil.yaml")
    status, _, errors = ask(*QUICK, "experiment=evil")
    assert (status, "which you have not run here" in errors) == (2, True)


@pytest.mark.parametrize("word", WORDS)
def test_no_code_runs_for_a_word_of_the_command(ask, stranger, word):
    for words in ([], ["-m"]):
        status, _, told = ask(word, *QUICK, *words)
        assert (status, WORDS[word] in told) == (2, True), (words, told)
    with pytest.raises(ConfigError, match="not allowed"):
        compose([*QUICK, word])


def test_what_shows_a_command_uses_nothing_of_it(ask, stranger):
    for word in ("+hydra.sweeper.sampler._target_=evil.write", "+hydra.callbacks.x._target_=evil.write"):
        for words in (["--info", "defaults"], ["--hydra-help"]):
            assert "Traceback" not in ask(word, *QUICK, *words)[2]  # it may fail or not


def test_a_job_of_a_sweep_may_call_no_more_than_a_run(ask, stranger):
    preset(stranger, {"hydra": {"sweeper": {"params": {"+hydra.callbacks.x._target_": "evil.write,evil.write"}}}})
    preset(stranger, PRESETS["callback"], "conf/experiment/other.yaml")
    for launcher in ("basic", "stacked"):
        choice = f"hydra/launcher={launcher}"
        for words in (["experiment=evil"], ["experiment=ridge,other"]):
            status, _, told = ask("--config-dir", "conf", "-m", choice, *words, *QUICK)
            assert status == 2, told
            assert "not allowed" in told or "not supported" in told


def test_what_shows_a_configuration_says_that_it_reads_no_file(ask, stranger):
    status, _, error = ask("plugins=[evil.py]", "activation=evil", "--cfg", "job")
    assert status == 2
    assert error.splitlines()[0].startswith("stackprop: activation: unknown choice 'evil'")
    assert error.splitlines()[1].startswith("stackprop: plugins: where a configuration is only shown, no file with")


def test_run_and_sweep_are_as_strict_as_the_shell(stranger):
    for word in ("+hydra.callbacks.x._target_=evil.write", "+hydra.sweeper.sampler._target_=evil.write"):
        for doing in (run, sweep):
            with pytest.raises(ConfigError, match="not allowed"):
                doing(*QUICK, word)


def test_a_whole_configuration_of_theirs_calls_nothing(ask, stranger):
    for tree in (PRESETS["sampler"], PRESETS["callback"], {"hydra": {"searchpath": ["pkg://evil"]}}):
        preset(stranger, tree, "theirs/config.yaml")
        for words in ([], ["-m", "seed=0,1"], ["--cfg", "job"], ["--info", "defaults"]):
            status, _, told = ask("--config-path", str(stranger / "theirs"), *words)
            assert (status == 2 or "defaults" in words, "Traceback" in told) == (True, False), told
    for words in ([], ["--info", "defaults-tree"], ["--hydra-help"], ["--cfg", "job"]):
        status, _, told = ask("--config-path", "pkg://evil", *words)
        assert (status, "not allowed" in told) == (2, True), told


def test_a_pickled_configuration_is_not_read(ask, stranger):
    for flag in ("--experimental-rerun", "--experimental"):
        status, _, told = ask(flag, "evil.pickle")
        assert (status, "--experimental-rerun" in told) == (2, True), told


def test_the_launchers_and_sweepers_of_the_docs_are_allowed():
    for launcher in ("basic", "stacked", "submitit", "ray"):
        compose([*QUICK, f"hydra/launcher={launcher}"])
    for sweeper in ("basic", "grid", "ant_colony", "ant_colony_lstm", "optuna"):
        compose([*QUICK, f"hydra/sweeper={sweeper}"])
    typed = ["hydra.launcher.address=ray://head:10001", "hydra.launcher.parameters.num_gpus=1"]
    compose([*QUICK, "hydra/launcher=ray", *typed])
    compose([*QUICK, "hydra/launcher=submitit", "+hydra.launcher.parameters.slurm_setup=['module load cuda']"])
    for logging in ("default", "disabled", "none", "stdout"):
        compose([*QUICK, f"hydra/job_logging={logging}"])
    compose([*QUICK, "hydra/job_logging=stdout", "hydra.job_logging.root.level=DEBUG"])
    compose([*QUICK, "+hydra.job.env_set.OMP_NUM_THREADS=1"])


def test_showing_a_configuration_runs_no_plugin_file(ask, stranger):
    preset(stranger, {"plugins": ["evil.py"]})
    for words in (["plugins=[evil.py]"], ["--config-dir", "conf", "experiment=evil"]):
        for flags in (["--cfg", "job"], ["--info", "config"]):
            status, told, error = ask(*words, *QUICK, *flags)
            assert (status, "evil.py" in json.dumps(told)) == (0, True), error
