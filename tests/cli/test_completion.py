"""A TAB press: verbs, groups, choices, options and runs, without Hydra."""

import json
import os
import subprocess
import sys

import pytest

from framework.cli import completion
from framework.cli.command_line import main
from framework.cli.commands import VERBS
from framework.registry.discovery import discover


@pytest.fixture(scope="module", autouse=True)
def state(tmp_path_factory):
    """One file of names for all tests of this module."""
    before = os.environ["STACKPROP_STATE"]
    os.environ["STACKPROP_STATE"] = str(tmp_path_factory.mktemp("state"))
    yield
    os.environ["STACKPROP_STATE"] = before


@pytest.mark.parametrize(
    ("line", "some"),
    [
        ("stackprop ", ["compare", "describe", "optimizer=", "optimizer.", "seed="]),
        ("stackprop desc", ["describe"]),
        ("stackprop optimizer=", ["optimizer=adam", "optimizer=sgd"]),
        ("stackprop optimizer=na", ["optimizer=nadam", "optimizer=nag"]),
        ("stackprop -m optimizer=sgd,na", ["optimizer=sgd,nadam", "optimizer=sgd,nag"]),
        ("stackprop probes=[dead,sat", ["probes=[dead,saturated"]),
        ("stackprop optimizer.b", ["optimizer.beta1=", "optimizer.beta2="]),
        ("stackprop optimizer=nag optimizer.", ["optimizer.alpha=", "optimizer.lr=", "optimizer.groups="]),
        ("stackprop optimizer.epsilon=", ["optimizer.epsilon=hat", "optimizer.epsilon=inside", "optimizer.epsilon=outside"]),
        ("stackprop trainer.on_divergence=", ["trainer.on_divergence=fail", "trainer.on_divergence=record"]),
        ("stackprop trainer.early_stopping.p", ["trainer.early_stopping.patience="]),
        ("stackprop dataset.sc", ["dataset.scale=", "dataset.scale_targets="]),
        ("stackprop model=lstm model.o", ["model.output="]),
        ("stackprop summary model=ml", ["model=mlp", "model=mlp2"]),
        ("stackprop describe vanishing_g", ["vanishing_gradient"]),
        ("stackprop experiment=vanishing_g", ["experiment=vanishing_gradient"]),
        ("stackprop doctor ", []),
        ("stackprop save x --fr", []),
        ("stackprop list sta", ["status="]),
        ("stackprop delete mod", ["model="]),
        ("stackprop resume last trainer.e", ["trainer.epochs=+", "trainer.early_stopping.patience=+"]),
    ],
)
def test_a_tab_press_offers_what_may_follow(line, some):
    found = completion.offers(line)
    assert set(some) <= set(found)
    assert line.endswith((" ", ".", "=")) or found == some


@pytest.mark.parametrize("line", ["hydra.", "model.layers.hidden.", "--config-dir x se", "seed="])
def test_the_rest_is_left_to_hydra(line):
    assert completion.offers(f"stackprop {line}") is None


def test_runs_are_offered_newest_first(tmp_path, monkeypatch):
    monkeypatch.setenv("STACKPROP_RUNS", str(tmp_path))
    for name, file in {
        "20260101-1": "run.json",
        "sweep-20260102-1": "sweep.json",
        "20260103-1": "run.json",
        "other": "",
    }.items():
        (tmp_path / name).mkdir()
        if file:
            (tmp_path / name / file).write_text(json.dumps({"status": "finished", "about": {"name": "two words"}}))
    assert completion.offers("stackprop evaluate ") == ["last", "best", "20260103-1", "sweep-20260102-1", "20260101-1"]
    assert completion.offers("stackprop evaluate 202601") == ["20260103-1", "20260101-1"]
    assert completion.offers("stackprop evaluate last ") == []
    (tmp_path / "sweep-20260102-1" / "sweep.json").write_text(json.dumps({"about": {"name": "rates"}}))
    assert completion.offers("stackprop diff ra") == completion.offers("stackprop save x --from ra") == ["rates"]
    assert completion.offers("stackprop diff tw") == []  # a shell would split it


def test_every_verb_of_runs_offers_them():
    plain = {"list", *completion.OF_NAMES, *completion.OF_OVERRIDES, *completion.OF_NOTHING}
    assert all("last" in completion.offers(f"stackprop {verb} ") for verb in VERBS if verb not in plain)


def test_own_experiments_are_offered_at_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "wide.yaml").touch()
    for _ in range(2):
        assert completion.offers("stackprop experiment=wi") == ["experiment=wide"]
        assert completion.offers("stackprop describe wid") == ["wide"]
        (completion.state_dir() / completion.FILE).unlink(missing_ok=True)  # names are collected in this folder
    monkeypatch.chdir("/")
    assert completion.offers("stackprop experiment=wi") == []


def test_names_are_collected_again_after_a_change(monkeypatch):
    made = completion.index()["made"]
    assert completion.index()["made"] == made
    monkeypatch.setattr(completion, "_state", lambda: ["another distribution"])
    assert completion.index()["made"] > made


def test_a_damaged_file_of_names_is_replaced():
    completion.index()
    (completion.state_dir() / completion.FILE).write_text("{")
    assert completion.index()["groups"]["optimizer"] == discover().names("optimizer")


@pytest.mark.parametrize(("shell", "sign"), [("bash", " "), ("fish", "\n")])
def test_the_shell_gets_the_words_in_its_form(monkeypatch, capsys, shell, sign):
    monkeypatch.setenv("COMP_LINE", "stackprop optimizer=na")
    with pytest.raises(SystemExit) as end:
        main(["-sc", f"query={shell}"])
    assert (end.value.code or 0, capsys.readouterr().out) == (0, f"optimizer=nadam{sign}optimizer=nag\n")


def test_a_tab_press_imports_neither_hydra_nor_components(tmp_path):
    completion.index()
    words = ("stackprop optimizer=", "stackprop optimizer.", "stackprop evaluate ")
    heavy = ("hydra", "omegaconf", "mlflow", "framework_layers")
    code = f"""
import json, sys
from framework.cli.completion import offers
print(json.dumps([*map(offers, {words}), [name for name in {heavy} if name in sys.modules]]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True, cwd=tmp_path)
    *found, imported = json.loads(done.stdout)
    assert (all(found), imported) == (True, [])
