"""What all studies share: where they are found, how a stranger's is one, and what is kept of them."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from framework import discover
from framework.cli.commands import describe
from framework.config.composition import compose
from framework.core.study import Findings
from framework.experiments.experiment import prepare
from framework.experiments.runner import run
from framework.experiments.study import NOTE, note
from framework.testing.double import Double
from framework.tracking.run_dir import RunLocation
from framework_studies._one_step import one_step

ROOT = Path(__file__).resolve().parents[2]
XOR = ["dataset=xor", "model.hidden=2", "device=cpu", "trainer.steps=3"]


SINE = "dataset=sine model.hidden=4 activation=tanh model.layers.norm={type:batch_norm,after:hidden} trainer.steps=6 "
WEATHER = "dataset=weather dataset.days=80 model=gru model.hidden=3 trainer.bptt.chunk=5 trainer.steps=6 "
DROPPING = "dataset=xor model.hidden=4 regularizer=l2 model.layers.drop={type:dropout,after:act} "
ASKED = {
    "bias_variance": [SINE + "study.members=4 study.looks=3", WEATHER + "study.members=3 study.looks=3"],
    "gradcheck": [DROPPING + "study.entries=3"],
    "learning_curve": [DROPPING + "study.draws=2 study.sizes=2 trainer.steps=6"],
    "lr_range": [DROPPING + "study.rates=3 study.steps=6", WEATHER + "study.rates=3 study.steps=6"],
    "overfit_batch": [DROPPING + "study.steps=6", WEATHER + "study.steps=6"],
    "trace": ["dataset=xor model.hidden=2"],
}


@pytest.mark.parametrize(("name", "words"), [(name, words) for name in discover().names("study") for words in ASKED[name]])
def test_every_study_finds_on_a_device_what_it_finds_on_the_host(name, words):
    words = [f"study={name}", "device=cpu", "dtype=float64", "tracking=none", *words.split()]
    experiment = prepare(compose(words))
    study, on_device = experiment.settings.study, replace(experiment, xp=Double())
    study.check(on_device)
    there, here = study(on_device), study(experiment)
    assert there.metrics == pytest.approx(here.metrics, rel=1e-9, abs=1e-9)
    assert all(type(a) is np.ndarray for a in (there.rows, *there.series.values(), *there.arrays.values()))


def test_of_losses_and_errors_that_studies_declare_less_is_better():
    entries = discover().entries["study"]
    declared = {name: getattr(entry.component, "lower_is_better", {}) for name, entry in entries.items()}
    assert declared["lr_range"].keys() == {"lr_range/loss", "lr_range/best_loss"}
    assert declared["bias_variance"].keys() == {"bias_variance/*", "zero_one/*"}
    assert all(direction for directions in declared.values() for direction in directions.values())


@pytest.mark.parametrize("name", discover().names("study"))
def test_every_study_says_what_it_asks(name, capsys):
    describe.main([f"study/{name}"])
    told = capsys.readouterr().out
    assert f"study '{name}'" in told
    assert "option" in told
    assert f"`{name}`" in (ROOT / "docs" / "guides" / "studies.md").read_text()


def test_the_study_of_the_page_is_one(tmp_path):
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "guides" / "studies.md").read_text(), re.S)
    plugin = tmp_path / "spread.py"
    plugin.write_text(block)
    try:
        words = [f"plugins=[{plugin}]", "study=spread", "study.members=3", "tracking=none"]
        result = run(prepare(compose([*XOR, *words])), RunLocation(tmp_path / "one", tmp_path, "one"))
    finally:
        discover().forget(str(plugin))
    assert re.match(r"val/loss from [\d.]+ to [\d.]+ over 3 networks", result.findings.summary)
    assert (tmp_path / "one" / "study.md").read_text() == f"{result.findings.summary}\n"


def test_the_note_of_a_long_text_ends_at_a_line_and_says_where_the_rest_is():
    assert note("short") == "short"
    cut = note("one line\n" * 2000)
    assert NOTE - 100 < len(cut) < 8000  # what a tag of MLflow holds
    assert cut.endswith("one line\n\n... the rest is in study.md\n")


def test_losses_of_a_stack_are_those_of_its_networks():
    experiment = prepare(compose([*XOR, "study=gradcheck", "dtype=float64", "regularizer=l2", "tracking=none"]))
    seen, curves = one_step(experiment, None)
    moved = np.concatenate([seen.look, 2 * seen.look, 0 * seen.look])
    loss, penalty = experiment.losses(seen, moved)
    assert loss[0] == pytest.approx(curves.column("train/loss")[0])
    assert penalty[:2] == pytest.approx(curves.column("train/penalty")[0] * np.array([1, 4]))
    assert (loss[2], penalty[2]) == (pytest.approx(np.log(2)), 0)
    lone = experiment.losses(seen, moved[1:2])
    assert lone[0][0] == pytest.approx(loss[1], abs=1e-14)


def test_findings_tell_their_last_values():
    found = Findings("", {"a": np.array([[1, 5.0], [2, 7.0]])}, ("b",), np.array([[1.0], [3.0]]))
    assert found.metrics == {"a": 7.0, "b": 3.0}
    assert replace(found, series={"a": np.zeros((0, 2))}).metrics == {"b": 3.0}
