"""First values and examples that a configuration gives: of a blackboard, and of anybody's layer."""

import numpy as np
import pytest

from framework import Context, Network
from framework.config.composition import compose
from framework.core.errors import ConfigError
from framework.experiments.experiment import prepare
from framework.experiments.runner import run
from framework.nn.network import Node
from framework.tracking.run_dir import RunLocation
from framework_layers.dense import Dense
from framework_losses.score import Score

HIDDEN = "model.layers.hidden.initial="
SMALL = ["dataset=xor", "model.hidden=2", "tracking=none", "device=cpu"]


def first_values(*words):
    experiment = prepare(compose([*SMALL, *words]))
    return experiment.learner.network.init(experiment.settings.seed)[0]


def test_tensors_that_are_given_take_the_place_of_drawn_ones():
    drawn, given = first_values(), first_values(f"{HIDDEN}{{b:[0.5,-1]}}")
    assert given["hidden"]["b"].tolist() == [[0.5, -1]]
    assert np.array_equal(given["hidden"]["W"], drawn["hidden"]["W"])
    assert np.array_equal(given["out"]["W"], drawn["out"]["W"])


def test_training_begins_with_them(tmp_path):
    words = [f"{HIDDEN}{{W:[[1,2],[3,4]],b:[5,6]}}", "optimizer=sgd", "optimizer.lr=1e-12", "trainer.steps=1"]
    result = run(prepare(compose([*SMALL, *words])), RunLocation(tmp_path / "one", tmp_path, "one"))
    assert result.outcome.weights["hidden"]["W"] == pytest.approx(np.array([[1, 2], [3, 4]]), abs=1e-9)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("{w:[[1]]}", "model.layers.hidden: initial: there is no tensor 'w' (there are: W, b)"),
        ("{W:[1,2]}", "initial.W: 2 numbers given, but the tensor is 2 x 2, one row for each input"),
        ("{W:[[1,2,3],[4,5,6]]}", "initial.W: 2 x 3 numbers given, but the tensor is 2 x 2"),
        ("{W:[[1,2],[3]]}", "initial.W: [[1, 2], [3]] are not rows of numbers of equal length"),
        ("{b:[[nan,1]]}", "initial.b: NaN is not an initial value"),
        ("{b:word}", "initial.b: 'word' are not rows of numbers"),
        ("3", "model.layers.hidden.initial: 3 is not a mapping"),
    ],
)
def test_what_fits_no_tensor_is_told_in_words(given, expected):
    with pytest.raises(ConfigError) as error:
        first_values(HIDDEN + given)
    assert expected in str(error.value)


def test_a_node_with_the_tensors_of_another_takes_its_first_values_too():
    nodes = {"a": Node(Dense(2)), "b": Node(Dense(2), share="a", initial={"b": [1, 2]})}
    with pytest.raises(
        ValueError, match=r"model\.layers\.b\.initial: its tensors are those of 'a'; set initial values there"
    ):
        Network(nodes, {"x": (2,)})


def given(*words):
    return prepare(compose(["dataset=given", "model=linear", "tracking=none", "device=cpu", *words])).data


def test_examples_stand_in_the_configuration():
    data = given("dataset.fields={x:{values:[[1,2],[3,4]]},y:{values:[[5],[6]]}}")
    assert data.splits["train"]["x"].tolist() == [[1, 2], [3, 4]]
    assert data.fields["y"].axes == "NF"
    assert list(data.splits) == ["train"]


def test_symbols_are_numbers_or_names():
    words = "dataset.fields={x:{values:[[S,C]],kind:id},y:{values:[[1,2]],kind:label}}"
    data = given(words, "dataset.names=[S,C,R]", "model=rnn", "model.hidden=2")
    assert data.splits["train"]["x"].tolist() == [[0, 1]]
    assert (data.fields["x"].size, data.fields["y"].size, data.fields["y"].axes) == (3, 3, "NT")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("{}", "fields: missing"),
        ("{x:{values:[[1]]},y:{values:[[1],[2]]}}", "fields: 1 of x, 2 of y; every field needs the same number of examples"),
        ("{x:{values:[[1,2],[3]]}}", "fields.x.values: [[1, 2], [3]] are not numbers in rows of equal length"),
        ("{x:{values:[1]}}", "fields.x.values: shape (1,); a field of kind real needs (N, F) or (N, T, F) or (N, C, H, W)"),
        ("{x:{values:[[Z]],kind:id}}", "fields.x.values: unknown name 'Z' (there are: C, S)"),
        ("{x:{values:[[0.5]],kind:id}}", "fields.x.values: ids must be integers from 0 on"),
        ("{x:{values:[[2]],kind:id}}", "fields.x.values: ids must be from 0 to 1"),
        ("{x:{values:[[1]],kind:word}}", "dataset.fields.x.kind: 'word' is not allowed"),
    ],
)
def test_examples_that_are_none_are_told_in_words(fields, expected):
    with pytest.raises(ConfigError) as error:
        given(f"dataset.fields={fields}", "dataset.names=[S,C]")
    assert expected in str(error.value)


def test_a_score_is_the_output_itself():
    y = np.array([[1.0, 2.0], [3.0, 4.0]])
    value, dy = Score()(y, None, Context())
    assert value == 5.0
    assert np.array_equal(dy, np.full((2, 2), 0.5))
