"""The `config.yaml` of a run trains the same thing again: experiment=runs/X/config.yaml."""

import os
from pathlib import Path

import pytest

from framework import run
from framework.config.composition import compose
from framework.core.errors import ConfigError
from framework.tracking.config_hash import config_hash
from framework.tracking.run_dir import read_state

pytestmark = pytest.mark.usefixtures("unrendered")

WORDS = ("dataset=xor", "trainer.epochs=1", "optimizer=nag", "model.hidden=6", "regularizer=l2", "tracking=none")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    before = os.getcwd()
    os.chdir(tmp_path_factory.mktemp("recorded"))
    yield run(*WORDS).folder
    os.chdir(before)


@pytest.fixture
def file(folder, monkeypatch):
    monkeypatch.chdir(folder.parents[1])
    return folder.relative_to(folder.parents[1]) / "config.yaml"


def tree(*words):
    return compose(list(words)).tree


def test_it_gives_the_configuration_of_the_run(file):
    for each in (file, file.absolute(), file.parent / ".hydra" / "config.yaml"):
        assert config_hash(tree(f"experiment={each}")) == read_state(file.parent)["config_hash"]


def test_overrides_change_it(file):
    changed = tree(f"experiment={file}", "optimizer=sgd", "regularizer=null", "trainer.epochs=3", "model=lstm")
    assert changed["optimizer"] == {"type": "sgd", "lr": 0.1}
    assert (changed["regularizer"], changed["trainer"]["epochs"]) == ({}, 3)
    assert list(changed["model"]["layers"]) == ["input", "rnn", "out"]
    assert tree(f"experiment={file}", "optimizer.alpha=0.5")["optimizer"]["alpha"] == 0.5


def test_a_copy_of_it_is_an_experiment(file):
    Path("experiments").mkdir(exist_ok=True)
    Path("experiments/copy.yaml").write_text(file.read_text())
    assert config_hash(tree("experiment=copy")) == read_state(file.parent)["config_hash"]


def test_a_variable_that_is_resolved_names_the_command(file):
    message = rf"model.hidden: not used by any layer.*`stackprop rerun {file.parent} model.hidden=64`"
    with pytest.raises(ConfigError, match=message):
        tree(f"experiment={file}", "model.hidden=64")
    assert (
        tree(f"experiment={file.parent}/.hydra/config.yaml", "model.hidden=64")["model"]["layers"]["hidden"]["units"] == 64
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--config-dir", "{run}", "--config-name", "config"], "--config-dir: {run}/config.yaml is the recorded"),
        (["--config-dir", "{run}"], "type `stackprop experiment={run}/config.yaml`"),
        (["--config-path", "{run}"], "type `stackprop experiment={run}/config.yaml`"),
        (["--config-path", "{run}", "--config-name", "config.yaml"], "type `stackprop experiment={run}/config.yaml`"),
        (["{run}/config.yaml"], "write experiment={run}/config.yaml"),
        (["experiment={run}"], "write experiment={run}/config.yaml"),
        (["experiment={run}/confg.yaml"], "experiment: {run}/confg.yaml: this file does not exist"),
    ],
)
def test_every_other_way_says_what_to_type(ask, folder, monkeypatch, words, message):
    monkeypatch.chdir(folder.parents[1])
    place = str(folder.relative_to(folder.parents[1]))
    status, _, errors = ask(*(word.format(run=place) for word in words))
    assert (status, message.format(run=place) in errors, "Traceback" in errors) == (2, True, False), errors


def with_store(file, uri):
    Path("strange.yaml").write_text(file.read_text().replace("type: none", f"type: mlflow\n  uri: {uri}"))
    return "experiment=strange.yaml"


def test_a_strange_store_gets_nothing(file):
    word = with_store(file, "http://example.org")
    with pytest.raises(ConfigError, match="names a store to which you have not sent runs before"):
        tree(word)
    assert tree(word, "tracking=none")["tracking"] == {"type": "none"}
    assert tree(word, "tracking.uri=null")["tracking"]["uri"] is None


def test_a_password_comes_from_the_environment(file, monkeypatch):
    word = with_store(file, "http://ann:***@example.org")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ann:secret@example.org")
    settings = compose([word])
    assert settings.tracking.uri == "http://ann:secret@example.org"
    assert "secret" not in str(settings.record)
