"""The gradient of a whole network against central differences: right ones pass, wrong ones are named."""

import json

import numpy as np
import pytest

from framework.config.composition import compose
from framework.core.errors import ConfigError, RunFailed
from framework.experiments.experiment import prepare
from framework.experiments.runner import run
from framework.registry.discovery import discover
from framework.tracking.run_dir import RunLocation
from framework_studies._one_step import exact, one_step
from framework_studies.gradcheck._differences import Entries, central

XOR = "dataset=xor model.hidden=3 "


def prepared(words):
    return prepare(compose(["study=gradcheck", "tracking=none", "device=cpu", *words.split()]))


def checked(words):
    experiment = prepared(words)
    return experiment.settings.study(experiment)


RIGHT = {
    "mlp": XOR,
    "penalty, clipped": XOR + "activation=tanh regularizer=l2 regularizer.strength=0.1 trainer.clip_norm=0.01",
    "clipped values": XOR + "activation=tanh trainer.clip_value=0.01",
    "l1": XOR + "regularizer=l1 regularizer.strength=0.1",
    "dropout": XOR + "model.layers.drop={type:dropout,after:act}",
    "batch_norm": XOR + "model.layers.norm={type:batch_norm,after:hidden}",
    "nesterov": XOR + "optimizer=nag",
    "cnn": "model=cnn model.filters=2 model.filters2=3 study.batch_size=3",
    "rnn": "dataset=weather dataset.days=100 model=rnn model.hidden=3",
    "chunks": "dataset=weather dataset.days=100 model=gru model.hidden=3 trainer.bptt.chunk=4",
    "lstm": "dataset=sentiment model=lstm model.hidden=3 model.output=last",
    "seq2seq": "dataset=reverse model=seq2seq model.hidden=3",
}


@pytest.mark.parametrize("words", RIGHT.values(), ids=RIGHT)
def test_every_tensor_of_a_network_agrees(words):
    found = checked(f"{words} study.entries=6")
    assert found.failure == ""
    assert found.metrics["gradcheck/worst"] < 1e-6
    assert "tensors agree to 1e-06" in found.summary


def test_a_row_for_every_tensor_and_as_many_entries_as_asked_for():
    found = checked(XOR + "study.entries=4")
    rows = [line.split(",") for line in found.files["gradcheck.csv"].splitlines()[1:]]
    assert [row[0] for row in rows] == ["hidden.W", "hidden.b", "out.W", "out.b"]
    assert [row[2:4] for row in rows] == [["4", "6"], ["3", "3"], ["4", "6"], ["2", "2"]]
    assert {name for name in found.series if name.startswith("gradcheck/")} >= {"gradcheck/hidden/W", "gradcheck/worst"}
    assert "| hidden.W |" in found.files["gradcheck.md"]


WRONG = '''
from dataclasses import dataclass

from framework import hookimpl, option


@dataclass(frozen=True)
class Cubed:
    """y = x^3;  dx = 3 x^2 dy."""

    factor: float = option(3.0, help="3 is right")

    def forward(self, x, ctx):
        return x**3, x

    def backward(self, cache, dy, ctx):
        return self.factor * cache**2 * dy


@hookimpl
def register_activations(register):
    register("cubed", Cubed)
'''


@pytest.fixture
def cubed(tmp_path):
    path = tmp_path / "cubed.py"
    path.write_text(WRONG)
    yield f"{XOR} plugins=[{path}] activation=cubed "
    discover().forget_file(path)


def test_a_wrong_gradient_fails_the_run_and_the_tensors_before_it_are_named(cubed, tmp_path):
    assert checked(cubed).failure == ""
    with pytest.raises(RunFailed) as failed:
        run(prepared(cubed + "activation.factor=2"), RunLocation(tmp_path / "one", tmp_path, "one"))
    told = str(failed.value)
    assert told.startswith("wrong gradient: hidden.W has an error of 0.3")
    assert "hidden.b has an error of 0.3" in told
    assert "out." not in told  # what lies behind the activation is right
    assert "but differences give" in told
    folder = tmp_path / "one"
    assert json.loads((folder / "run.json").read_text())["state"] == "FAILED"
    assert "hidden.W,0.3" in (folder / "gradcheck.csv").read_text()
    assert (folder / "study.md").read_text().startswith("Wrong: hidden.W")


def test_a_slightly_wrong_gradient_is_found_too(cubed):
    assert "hidden.W" in checked(cubed + "activation.factor=3.00001").failure
    assert checked(cubed + "activation.factor=3.00001 study.tolerance=1e-4").failure == ""


def test_dropout_keeps_its_mask_while_the_weights_are_moved():
    experiment = exact(prepared(XOR + "model.layers.drop={type:dropout,after:act}"))
    seen, curves = one_step(experiment, 8)
    w = np.concatenate([seen.look, seen.look])
    loss, penalty = experiment.losses(seen, w)
    assert loss.tolist() == [curves.column("train/loss")[0]] * 2
    assert penalty.tolist() == [0, 0]


def test_differences_are_those_of_the_loss_with_its_penalty():
    experiment = exact(prepared(XOR + "activation=tanh regularizer=l2 regularizer.strength=0.1"))
    seen, _ = one_step(experiment, 8)
    entries = Entries(seen, np.arange(seen.arena.P), seen.g["hidden"]["W"].ravel())
    numeric, (left, right), noise = central(experiment, entries, 1e-5)
    of_w = slice(seen.arena.slots["hidden", "W"].start, seen.arena.slots["hidden", "W"].stop)
    assert numeric[of_w] == pytest.approx(seen.g["hidden"]["W"].ravel(), abs=1e-9)
    assert (left + right) / 2 == pytest.approx(numeric, abs=1e-9)
    assert noise.max() < 1e-9


def test_entries_at_a_kink_are_counted_and_no_fault():
    """All z are 0 where weights and biases are: relu's slope there is 1 by its definition, 0 on the other side."""
    stuck = XOR + "model.layers.hidden.initial={W:[[0,0,0],[0,0,0]]} study.nudge=0"
    found = checked(stuck)
    assert found.failure == ""
    assert "entries are at a kink of the loss" in found.summary
    assert "at a kink" not in checked(XOR).summary


def test_a_loss_that_is_not_finite_is_told():
    found = checked("dataset=sine model.hidden=1 model.layers.out.initial={W:[[1e300]]} activation=linear")
    assert found.failure == "the loss is not finite at the initial values: there is no gradient to check"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("dataset=weather model=rnn trainer.bptt.lag=2", "trainer.bptt.lag: a truncated gradient differs from that of"),
        (XOR + "probes=[dead]", "probes: not supported by this study (dead)"),
        (XOR + "model.layers.hidden.frozen=true model.layers.out.frozen=true", "study: the network has no trained tensor"),
        (XOR + "study.tolerance=0", "study.tolerance: 0.0 must be above 0"),
    ],
)
def test_what_cannot_be_checked_is_told_before_anything_runs(words, expected):
    with pytest.raises(ConfigError) as error:
        prepared(words)
    assert expected in str(error.value)
