"""A group of layers with `repeat` stands for several: depth is a number that can be swept."""

import pytest
from configs import judged, messages

DEEP = "{model/layers/deep: {repeat: 3, after: act, layers: {wide: {type: dense, units: 8}, bend: {type: activation}}}}"


def test_layers_repeat_under_numbered_names():
    nodes = judged(DEEP).nodes
    assert list(nodes) == ["hidden", "act", "wide1", "bend1", "wide2", "bend2", "wide3", "bend3", "out"]
    assert nodes["wide3"].layer.units == 8


def test_repeat_0_is_none():
    assert list(judged("{model/layers/deep: {repeat: 0, layers: {wide: {type: dense, units: 8}}}}").nodes) == [
        "hidden",
        "act",
        "out",
    ]


def test_a_source_inside_means_the_layer_of_the_same_turn():
    layers = "{a: {type: dense, units: 4}, b: {type: dense, units: 4}, sum: {type: add, from: [a, b]}}"
    nodes = judged(f"{{model/layers/block: {{repeat: 2, after: act, layers: {layers}}}}}").nodes
    assert nodes["sum2"].source == ("a2", "b2")


def test_layers_are_placed_and_removed_inside():
    layers = "{norm: {type: batch_norm, after: wide}, wide: {type: dense, units: 8}, bend: null}"
    nodes = judged(f"{{model/layers/deep: {{repeat: 2, after: act, layers: {layers}}}}}").nodes
    assert list(nodes)[2:6] == ["wide1", "norm1", "wide2", "norm2"]


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ("{repeat: -1, layers: {d: dropout}}", "model.layers.deep.repeat: -1 must be at least 0"),
        ("{repeat: two, layers: {d: dropout}}", "model.layers.deep.repeat: 'two' is not an integer"),
        ("{repeat: 2, layer: {d: dropout}}", "model.layers.deep.layer: unknown key"),
        ("{repeat: 2, layers: {d: {type: dense, unit: 2}}}", "model.layers.deep.layers.d.unit: layer 'dense' has no"),
        ("{repeat: 2, layers: {d: {repeat: 2, layers: {}}}}", "model.layers.deep.layers.d: a new layer needs a 'type'"),
    ],
)  # fmt: skip
def test_what_is_wrong_inside_is_told_with_its_key(group, expected):
    assert any(line.startswith(expected) for line in messages(f"{{model/layers/deep: {group}}}"))


def test_a_name_that_is_taken_is_refused():
    taken = "{model/layers/hidden2: dropout, model/layers/deep: {repeat: 2, layers: {hidden: dropout}}}"
    assert "model.layers.deep: the name 'hidden2' is used already" in messages(taken)
