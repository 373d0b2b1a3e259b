"""What a network says about links, shapes and parameters that cannot be."""

from dataclasses import dataclass

import numpy as np
import pytest

from framework import Network, Node, discover
from framework.testing import examples
from framework_layers.add import Add
from framework_layers.concat import Concat
from framework_layers.dense import Dense


@dataclass(frozen=True)
class OneAxis:
    """Breaks the law of two core axes."""

    def init(self, rng, in_shape):
        return {"v": np.zeros(3)}, in_shape

    def forward(self, p, x, ctx):
        return x * p["v"], x

    def backward(self, p, cache, dy, ctx, need_dx=True):
        return dy * p["v"], {"v": (cache * dy).sum(-2)}


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        (
            {"a": Node(Dense(2), "nowhere")},
            r"model\.layers\.a: input 'nowhere' is not defined before this layer \(known: x\)",
        ),
        ({"a": Node(Dense(2), "b"), "b": Dense(2)}, r"model\.layers\.a: input 'b' is not defined before this layer"),
        ({"a": Node(Dense(2), "a")}, r"model\.layers\.a: input 'a'"),
        ({"a": Dense(2), "b": Node(Add(), ("a", "c"))}, r"model\.layers\.b: input 'c' .* \(known: a, x\)"),
        ({"x": Dense(2)}, r"model\.layers\.x: this name is used already, by a field"),
        ({"a": Node(Dense(2), share="b")}, r"model\.layers\.a: share: 'b' is not a node before this layer"),
        ({"a": Node(Dense(2), share="x")}, r"model\.layers\.a: share: 'x'"),
    ],
)
def test_wrong_links_are_refused(nodes, message):
    with pytest.raises(ValueError, match=message):
        Network(nodes, {"x": (3,)})


@pytest.mark.parametrize(
    ("nodes", "shape", "message"),
    [
        ({"a": Dense(2)}, (1, 8, 8), r"model\.layers\.a: dense needs .* \(got \(1, 8, 8\)\); put a flatten layer before it"),
        ({"a": Add()}, (3,), r"model\.layers\.a: add needs several sources"),
        ({"a": Dense(2), "b": Node(Add(), ("a", "x"))}, (3,), r"model\.layers\.b: add needs sources of equal shape"),
        (
            {"a": Dense(2), "b": Node(Dense(2), share="a")},
            (3,),
            r"model\.layers\.b: its tensors and those of 'a', which it shares, differ in shape",
        ),
    ],
)
def test_wrong_shapes_are_refused(nodes, shape, message):
    with pytest.raises(ValueError, match=message):
        Network(nodes, {"x": shape}).init(0)


@pytest.mark.parametrize("shapes", [((1, 8, 8), (2, 6, 8)), ((1, 8, 8), (2, 8, 6)), ((3,), (5, 3))])
def test_concat_refuses_what_differs_beside_the_features(shapes):
    with pytest.raises(ValueError, match="concat needs sources that differ in features only"):
        Concat().init(np.random.default_rng(0), shapes)


def test_a_parameter_without_two_axes_is_refused():
    network = Network({"a": OneAxis()}, {"x": (3,)})
    with pytest.raises(ValueError, match=r"model\.layers\.a: parameter v has shape \(3,\); every parameter has exactly two"):
        network.arena(network.init(0)[0])


@pytest.mark.parametrize("name", ["dense", "batch_norm", "layer_norm", "conv1d"])
@pytest.mark.parametrize("shape", [(), (None,), (None, None)])
def test_a_layer_of_features_says_that_it_read_ids(name, shape):
    layer = examples(discover().get("layer", name))[0][0]
    with pytest.raises(ValueError, match=r"model\.layers\.a: "):
        Network({"a": layer}, {"x": shape}).init(0)
