"""What objects show of themselves: some lines, and no arrays."""

import numpy as np
import pytest

import framework
from framework import Data, Field, Head, Network, Node, discover
from framework.config.composition import compose
from framework.experiments.experiment import prepare
from framework.inference.model import Model

get = discover().get
MODEL = """\
flat    Flatten          x       (64,)
hidden  Dense            flat    (128,)  8,320  (W 64x128 + b 1x128)
act     ActivationLayer  hidden  (128,)
out     Dense            act     (10,)   1,290  (W 128x10 + b 1x10)
9,610 parameters, float64
head loss: SoftmaxCrossEntropy of out, target y
field x: (1, 8, 8), real NCHW
field y: label N, 10 classes"""


@pytest.fixture(scope="module")
def experiment():
    return prepare(compose([]))


@pytest.fixture(scope="module")
def model(experiment):
    weights, _ = experiment.learner.network.init(0)
    return Model.of(experiment.learner, weights, experiment.data, experiment.scale)


def test_a_model_shows_nodes_parameters_heads_and_data(model):
    assert [line.rstrip() for line in repr(model).splitlines()] == MODEL.splitlines()


def test_a_notebook_shows_the_nodes_as_a_table(model):
    page = model._repr_html_()
    assert page.count("<tr>") == 5
    assert "<td>8,320  (W 64x128 + b 1x128)</td>" in page
    assert "9,610 parameters" in page


def test_a_name_cannot_put_html_into_the_table(model):
    nodes = {"<b>": Node(get("layer", "dense")(2))}
    shown = Model(Network(nodes, {"x": (4,)}), {}, {}, {"<b>": {"W": np.zeros((4, 2))}}, model.about, model.scale)
    assert "<td>&lt;b&gt;</td>" in shown._repr_html_()


def test_of_many_nodes_the_middle_ones_are_left_out():
    network = Network({f"h{i}": Node(get("layer", "dense")(4)) for i in range(50)}, {"x": (4,)})
    lines = repr(network).splitlines()
    assert lines[0] == "Network of 50 nodes; fields: x (4,)"
    assert [line.split()[0] for line in lines[1:]] == ["h0", "h1", "h2", "h3", "h4", "...", "h46", "h47", "h48", "h49"]
    assert "41 more" in lines[6]


def test_showing_a_network_draws_no_tensors():
    network = Network({"out": get("layer", "dense")(3)}, {"x": (4,)})
    assert repr(network).splitlines()[1:] == ["out  Dense  x"]
    assert network.tensor_shapes
    assert repr(network).splitlines()[1:] == ["out  Dense  x  (3,)  15  (W 4x3 + b 1x3)"]


def test_shared_and_frozen_nodes_say_so():
    dense = get("layer", "dense")(4)
    network = Network({"a": Node(dense, frozen=True), "b": Node(dense, share="a")}, {"x": (4,)})
    assert network.shapes
    first, second = repr(network).splitlines()[1:]
    assert first.endswith("frozen")
    assert second.endswith("those of a")


def test_data_show_splits_and_fields():
    x = np.zeros((5, 3), np.float32)
    splits = {"train": {"x": x, "y": np.zeros(5, int)}, "val": {"x": x[:2], "y": np.zeros(2, int)}}
    fields = {"x": Field("NF", features=("a", "b", "c")), "y": Field("N", "label", 2, ("no", "yes"))}
    assert repr(Data(splits, fields, name="mine")).splitlines() == [
        "Data mine: train 5, val 2",
        "  x: (3,), real NF: a, b, c",
        "  y: label N, 2 classes: no, yes",
    ]


def test_a_field_of_many_words_shows_some():
    words = tuple(f"w{i}" for i in range(5000))
    assert repr(Field("NT", "id", 5000, words)) == "Field(id NT, 5000 ids: w0, w1, w2, w3, w4, w5, ..., w4999)"


def test_experiments_learners_and_settings_are_short(experiment):
    for shown in (experiment, experiment.learner, experiment.settings, experiment.learner.network):
        assert len(repr(shown).splitlines()) <= 12
        assert max(map(len, repr(shown).splitlines())) < 140
    assert repr(experiment).startswith(
        "Experiment on digits: 2720 steps, 68 in an epoch; seed 0, float32\nLearner: nodes flat"
    )
    assert "  optimizer: Adam(lr=0.001, " in repr(experiment.settings)


def test_a_head_of_two_outputs_names_both():
    assert str(Head(get("loss", "mse")(), ("a", "b"), None)) == "MeanSquaredError of a, b"


def test_the_module_shows_its_public_types():
    assert {"Model", "RunResult", "SweepResult"} <= set(framework.__all__)
