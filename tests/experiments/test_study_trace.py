"""One training step, written out: the notes' two networks with the notes' numbers, and any other network."""

import re

import numpy as np
import pytest

from framework.config.composition import compose
from framework.core.errors import ConfigError
from framework.experiments.experiment import prepare
from framework.experiments.runner import run, run_stack
from framework.registry.discovery import discover
from framework.tracking.run_dir import RunLocation
from framework.training.trainer import train
from framework_studies.trace._pen import Pen

XOR = ["study=trace", "dataset=xor", "model.hidden=2", "tracking=none", "device=cpu"]


def traced(*words):
    experiment = prepare(compose([*words, "tracking=none", "device=cpu"]))
    return experiment.settings.study(experiment)


def text(*words):
    return traced(*words).files["trace.txt"]


def section(told, name):
    """Titles of the numbered steps of a section."""
    part = told.split(f"\n{name}\n")[1]
    return re.findall(r"^ ?\d+\. (.*)$", re.split(r"\n[A-Z]+\n", part)[0], re.M)


@pytest.fixture(scope="module")
def network_4_2_1():
    return text("experiment=trace_4_2_1")


@pytest.fixture(scope="module")
def weather():
    return text("experiment=trace_weather")


def test_A8_the_4_2_1_network_forward_with_the_notes_numbers(network_4_2_1):
    for line in (
        "hidden[1] = 1 * 0.1 + 0.5 * 0.2 + (-1) * 0.3 + 2 * 0.4 + 0.1 = 0.8",
        "hidden[2] = 1 * 0.5 + 0.5 * 0.6 + (-1) * 0.7 + 2 * 0.8 + (-0.1) = 1.6",
        "act[1] = sigmoid(0.8) = 0.689974",
        "act[2] = sigmoid(1.6) = 0.832018",
        "out[1] = 0.689974 * 0.9 + 0.832018 * (-0.5) + 0.2 = 0.404968",
        "J = 0.404968",
    ):
        assert f"    {line}\n" in network_4_2_1


def test_A8_A9_A10_its_errors_are_shared_out_in_nine_steps(network_4_2_1):
    assert [title.split(":")[0] for title in section(network_4_2_1, "BACKWARD")] == [
        "the error at s, dJ / ds",
        "the slope of s, f'(out)",
        "the error at out",
        "out",
        "the error at act",
        "the slope of act, f'(hidden)",
        "the error at hidden",
        "hidden",
        "the update by sgd, lr = 0.1",
    ]
    for line in (
        "error[1] = 1 * 1 = 1",  # delta(3)
        "error[1] = 1 * 0.9 = 0.9",  # at a(2): W(2)
        "error[2] = 1 * (-0.5) = -0.5",
        "error[1] = 0.9 * 0.21391 = 0.192519",  # delta(2) = f'(z) W(2)
        "error[2] = (-0.5) * 0.139764 = -0.069882",
        "dW[4] = 2 * [0.192519, -0.069882] = [0.385037, -0.139764]",  # ds/dW14 = a4 f'(z1) W1(2)
        "dW[2] = 0.5 * [0.192519, -0.069882] = [0.096259, -0.034941]",
        "hidden.b - 0.1 * db = [0.080748, -0.093012]",
        "J = 0.404968 -> 0.158631",
    ):
        assert f"    {line}\n" in network_4_2_1


def test_J3_J16_the_weather_network_forward_with_the_notes_numbers(weather):
    for line in (
        "y1[1] = 0.11 * 0.37 + 0.21 * 0.97 + 0.31 * 0.83 = 0.5017",  # the notes' t = 1
        "p1 = softmax([0.5017, 0.3032, 0.2126, 0.2107]) = [0.301531, 0.247243, 0.225828, 0.225399]",
        "t=1: rnn[1] = tanh(1 * 0.28 + 0.11 * 0.41 + 0.21 * 0.12 + 0.31 * 0.13 + 0.51) = tanh(0.9006) = 0.71659",
        "t=2: state before = [0.71659, 0.936291, 0.906957]",
        "t=3: state before = [0.953961, 0.980716, 0.956405]",
        "t=3: out[1] = 0.937032 * 0.37 + 0.979315 * 0.97 + 0.987629 * 0.83 = 2.11637",
        "t=1: prediction = [0.444133, 0.20057, 0.164979, 0.190318]",
        "t=1: target 1 (C): -log 0.20057 = 1.606592",
        "t=2: target 2 (R): -log 0.164649 = 1.803937",
        "t=3: target 3 (T): -log 0.197834 = 1.620326",
        "J = their sum = 5.030855",
    ):
        assert f"    {line}\n" in weather


def test_J8_N6_the_weather_network_backward_with_the_notes_numbers(weather):
    for lines in (
        "      = [1.156665, -0.2081, -0.525778, -0.422788]",  # dWhy, first column of the notes
        "t=3: da = [-0.385247, 0.260701, 0.437102] * [0.121971, 0.040941, 0.024589] = [-0.046989, 0.010673, 0.010748]",
        "error at t=1: |dU| at lag 0, 1, 2 ... = [0.0292]",
        "error at t=2: |dU| at lag 0, 1, 2 ... = [0.04086, 0.003163]",
        "error at t=3: |dU| at lag 0, 1, 2 ... = [0.082413, 0.000975, 0.000044]",
        "dU = [-0.044685  0.024995  0.024017]\n         [-0.041154  0.032345  0.027819]",
        "dW = [ 0.071601  0.038065  -0.010638]\n         [-0.010795  0.014829    0.02084]",
        "db = [0.013817, 0.063567, 0.02095]",
        "J = 5.030855 -> 4.486467",
    ):
        assert f"    {lines}\n" in weather


def test_the_numbers_are_those_of_the_training_step():
    words = [*XOR, "optimizer=sgd", "optimizer.lr=0.1", "dtype=float64", "trainer.batch_size=all", "trainer.steps=1"]
    experiment = prepare(compose(words))
    n = len(experiment.data.splits["train"]["y"])
    found = traced(*words, f"study.batch_size={n}", "study.limit=99999")
    (outcome,) = train([experiment.learner], [experiment.data], [0], dtype=np.float64)
    first = experiment.learner.network.init(0)[0]
    for node in ("hidden", "out"):
        stepped = first[node]["W"] - 0.1 * found.arrays[f"{node}.W"]
        assert outcome.weights[node]["W"] == pytest.approx(stepped, abs=1e-12)


def test_penalties_and_clipping_are_in_the_update_and_not_in_the_errors():
    told = text(*XOR, "optimizer=sgd", "regularizer=l2", "trainer.clip_norm=0.1")
    plain = text(*XOR, "optimizer=sgd")
    assert "longer ones are clipped to 0.1; the optimizer gets:" in told
    assert "; its values are clipped to 0.01; the" in text(*XOR, "optimizer=sgd", "trainer.clip_value=0.01")
    backward = [told.split("BACKWARD")[1].split("the update")[0] for told in (told, plain)]
    assert backward[0] == backward[1]
    assert "penalty = " in told.split("AFTER")[1]


@pytest.mark.parametrize("option", ["smoothing=0.1", "class_weights=[1,3]"])
def test_a_changed_cross_entropy_is_not_written_as_log_p(option):
    words = [*XOR, "loss=softmax_cross_entropy", "study.batch_size=2"]
    plain, changed = text(*words), text(*words, f"loss.{option}")
    for line in ("-log ", ": p - t, times the weight of each example"):
        assert line in plain
        assert line not in changed
    assert ("the mean of these" in changed) == ("smoothing" in option)


TAGGED = f"dataset=conll dataset.path={discover().get('dataset', 'conll').examples()[0][0].path} dataset.letters=3"
MODELS = {
    "mlp2": "dataset=xor model=mlp2 model.hidden=2 model.hidden2=2",
    "cnn": "model=cnn model.filters=1 model.filters2=1 study.limit=3000",
    "lstm": "dataset=hello model=lstm model.hidden=2",
    "gru": "dataset=hello model=gru model.hidden=2",
    "birnn": "dataset=tagging model=birnn model.hidden=1 study.limit=4000",
    "tagger": f"{TAGGED} model=tagger model.hidden=1 model.units=1 model.filters=1 model.letter_units=1 study.limit=4000",
    "seq2seq": "dataset=reverse model=seq2seq model.hidden=1 study.limit=2000 study.batch_size=2",
    "dropout": "dataset=xor model.hidden=2 model.layers.drop={type:dropout,after:act}",
}


@pytest.mark.parametrize("words", MODELS.values(), ids=MODELS)
def test_every_network_can_be_written_out(words):
    experiment = prepare(compose(["study=trace", "tracking=none", "device=cpu", *words.split()]))
    told = experiment.settings.study(experiment).files["trace.txt"]
    for node in experiment.learner.network.nodes:
        assert any(title.startswith(f"{node} = ") for title in section(told, "FORWARD"))
    for node, tensors in experiment.learner.network.init(0)[0].items():
        assert "b" not in tensors or f"{node}.b = " in told


def test_ids_have_the_names_of_their_field():
    experiment = prepare(
        compose(["study=trace", "tracking=none", "device=cpu", *MODELS["tagger"].split(), "study.digits=3"])
    )
    told = experiment.settings.study(experiment).files["trace.txt"]
    assert re.search(r"t=1: x = \d+ \((we|Rome)\)", told)
    assert re.search(r"t=1: chars = \[\d+ \([wR]\), \d+ \([eo]\), \d+ \((<pad>|m)\)\]", told)
    assert re.search(r"t=1: target \d+ \((O|B-LOC)\)", told)


SCALED = '''
from dataclasses import dataclass

import numpy as np

from framework import hookimpl


@dataclass(frozen=True)
class Scaled:
    """y = a x, one factor for all;  da = sum of x dy."""

    def init(self, rng, in_shape):
        return {"a": np.full((1, 1), 2.0)}, in_shape

    def forward(self, p, x, ctx):
        return x * p["a"], x

    def backward(self, p, cache, dy, ctx, need_dx=True):
        return dy * p["a"], {"a": (cache * dy).sum((-2, -1), keepdims=True)}


@hookimpl
def register_layers(register):
    register("scaled", Scaled)
'''


def test_a_layer_by_others_is_written_with_its_docstring_tensors_outputs_and_gradients(tmp_path):
    plugin = tmp_path / "scaled.py"
    plugin.write_text(SCALED)
    try:
        told = text(*XOR, f"plugins=[{plugin}]", "model.layers.more={type:scaled,after:act}")
    finally:
        discover().forget(str(plugin))
    assert "more = scaled(act): y = a x, one factor for all; da = sum of x dy." in told
    assert "    a = [2]\n" in told
    assert "more: its gradients" in told
    assert re.search(r"^    da = \[-?[\d.]+\]$", told, re.M)
    assert "more.a = " in told.split("the update")[1]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            "model=mlp",
            "study: 9610 weights, and 395 inputs and outputs for 1 example are too many to write out (study.limit=600)",
        ),
        ("dataset=xor model.hidden=2 study.batch_size=10000", "study.batch_size: more than the training split has"),
        ("dataset=xor model.hidden=2 probes=[dead]", "probes: not supported by this study (dead)"),
        ("dataset=xor model.hidden=2 study.digits=0", "study.digits: 0 must be at least 1"),
    ],
)
def test_what_cannot_be_written_out_is_told_before_anything_runs(words, expected):
    with pytest.raises(ConfigError) as error:
        prepare(compose(["study=trace", *words.split()]))
    assert expected in str(error.value)


def test_where_paths_meet_their_errors_are_added_up():
    words = ["model.layers.plus={type:add,from:[hidden,act],after:act}", "optimizer=sgd", "study.digits=12"]
    told = text(*XOR, *words)
    titles = section(told, "BACKWARD")
    assert "the error at hidden (one part of 2)" in titles
    assert "the error at hidden, all parts together" in titles
    parts = [part.split("\n\n")[0] for part in told.split("the error at hidden")[1:]]
    numbers = [[float(line.split("=")[-1].strip(" []").split(",")[0]) for line in part.splitlines()[1:]] for part in parts]
    assert numbers[2][0] == pytest.approx(numbers[0][0] + numbers[1][0], abs=1e-10)


def test_digits_are_as_many_as_asked_for():
    pen = Pen(3)
    assert [pen.number(v) for v in (0.0, -0.0, 2.0, -0.12345, 1e-5, -1234.5678)] == [
        "0", "0", "2", "-0.123", "1e-05", "-1234.568",
    ]  # fmt: skip
    assert pen.products([(1, 2), (0, 3), (-1, -4)], [0.5]) == "1 * 2 + (-1) * (-4) + 0.5"
    assert "6 more" in pen.products([(1, 1)] * 18)
    assert "0.69 " in text("experiment=trace_4_2_1", "study.digits=2")


def test_a_trace_is_a_run_with_its_text_in_the_folder(tmp_path):
    experiment = prepare(compose([*XOR, "optimizer=sgd"]))
    result = run(experiment, RunLocation(tmp_path / "one", tmp_path, "one"))
    for name in ("trace.txt", "trace.md"):
        assert "hidden" in (tmp_path / "one" / name).read_text()
    assert result.metrics["trace/loss_after"] < result.metrics["trace/loss"]
    assert result.findings.summary.startswith("One training step, seed 0, 1 example.")


def test_the_jobs_of_a_sweep_may_be_studies(tmp_path):
    experiments = [prepare(compose([*XOR, "optimizer=sgd", f"optimizer.lr={lr}"])) for lr in (0.1, 1.0)]
    places = [RunLocation(tmp_path / str(i), tmp_path, str(i), tags={"sweep": "s"}) for i in range(2)]
    results = run_stack(experiments, places)
    assert [result.metrics["trace/loss"] for result in results] == [results[0].metrics["trace/loss"]] * 2
    assert results[1].metrics["trace/loss_after"] != results[0].metrics["trace/loss_after"]
