"""Nodes in order: branches, shared and frozen nodes, several heads, and what a backward pass spares itself."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from networks import assert_gradients, backpropagate, mlp

from framework import Context, Head, Network, Node
from framework_activations.tanh import Tanh
from framework_layers.activation import ActivationLayer
from framework_layers.add import Add
from framework_layers.dense import Dense
from framework_losses.half_squared_error import HalfSquaredError
from framework_losses.mse import MeanSquaredError

HEADS = {"loss": Head(MeanSquaredError(), "out")}


def batch(n=5, **features):
    rng = np.random.default_rng(0)
    return {name: rng.standard_normal((n, size)) for name, size in {"x": 3, "y": 2, **features}.items()}


def tanh():
    return ActivationLayer(Tanh())


def test_a_node_reads_the_one_before_it_and_the_first_reads_the_first_field():
    network = Network({"a": Dense(2), "b": Dense(2), "c": Node(Dense(2), "other")}, {"x": (3,), "other": (4,)})
    assert {name: node.source for name, node in network.nodes.items()} == {"a": "x", "b": "a", "c": "other"}


def test_init_gives_tensors_and_shapes():
    tensors, shapes = mlp(4, 2).init(0)
    assert {name: {t: a.shape for t, a in p.items()} for name, p in tensors.items()} == {
        "hidden0": {"W": (3, 4), "b": (1, 4)},
        "act0": {},
        "out": {"W": (4, 2), "b": (1, 2)},
    }
    assert shapes == {"x": (3,), "hidden0": (4,), "act0": (4,), "out": (2,)}


def test_first_values_depend_on_the_key_and_the_name_of_the_node_alone():
    one = Network({"a": Dense(2), "b": Dense(2)}, {"x": (2,)})
    other = Network({"new": Dense(2), "b": Dense(2)}, {"x": (2,)})
    W = one.init(7)[0]["b"]["W"]
    assert np.array_equal(W, other.init(7)[0]["b"]["W"])
    assert not np.array_equal(W, one.init(8)[0]["b"]["W"])
    assert not np.array_equal(W, one.init(7)[0]["a"]["W"])


def residual():
    nodes = {"a": Dense(4), "f": tanh(), "g": Dense(4), "sum": Node(Add(), ("a", "g", "f")), "h": tanh(), "out": Dense(2)}
    return Network(nodes, {"x": (3,)})


def test_branches_add_their_gradients():
    network = residual()
    assert_gradients(network, HEADS, network.init(0)[0], batch())


def test_a_source_named_twice_counts_twice():
    network = Network({"a": Dense(2), "out": Node(Add(), ("a", "a"))}, {"x": (3,)})
    assert_gradients(network, HEADS, network.init(0)[0], batch())


def towers():
    nodes = {
        "left": Node(Dense(4), "x"),
        "left_act": tanh(),
        "right": Node(Dense(4), "z", share="left"),
        "right_act": tanh(),
        "sum": Node(Add(), ("left_act", "right_act")),
        "out": Dense(2),
    }
    return Network(nodes, {"x": (3,), "z": (3,)})


def test_shared_nodes_add_their_gradients():
    network = towers()
    assert_gradients(network, HEADS, network.init(0)[0], batch(z=3))


def test_a_shared_node_has_no_tensors_of_its_own():
    network = towers()
    tensors, _ = network.init(0)
    assert "right" not in tensors
    assert network.arena(tensors).layers == ("left", "out")


def test_the_same_layer_applied_twice_in_a_row():
    network = Network({"a": Dense(3), "f": tanh(), "b": Node(Dense(3), share="a"), "out": Dense(2)}, {"x": (3,)})
    assert_gradients(network, HEADS, network.init(0)[0], batch())


def frozen(*names):
    nodes = {"a": Dense(4), "f": tanh(), "b": Dense(4), "g": tanh(), "out": Dense(2)}
    return Network({name: Node(layer, frozen=name in names) for name, layer in nodes.items()}, {"x": (3,)})


def test_frozen_tensors_lie_behind_the_trained_ones():
    network = frozen("b")
    arena = network.arena(network.init(0)[0])
    assert arena.layers == ("a", "out")
    assert arena.P == 4 * 4 + 5 * 2
    assert {name for name, slot in arena.slots.items() if slot.start >= arena.P} == {("b", "W"), ("b", "b")}


def test_a_frozen_node_has_no_gradient_and_passes_one_on():
    network = frozen("b")
    p = network.init(0)[0]
    _, _, g, _ = backpropagate(network, HEADS, p, batch())
    assert set(g) == {"a", "out"}
    assert_gradients(network, HEADS, p, batch())


def test_nodes_that_use_frozen_tensors_do_not_train_them():
    nodes = {"a": Node(Dense(3), frozen=True), "b": Node(Dense(3), share="a"), "out": Dense(2)}
    network = Network(nodes, {"x": (3,)})
    p = network.init(0)[0]
    assert network.arena(p).layers == ("out",)
    assert_gradients(network, HEADS, p, batch())


def two_heads():
    nodes = {"a": Dense(4), "f": tanh(), "out": Dense(2), "other": Node(Dense(1), "f")}
    heads = {
        "loss": Head(MeanSquaredError(), "out", weight=0.3),
        "second": Head(HalfSquaredError(), "other", target="z", weight=2.0),
    }
    return Network(nodes, {"x": (3,)}), heads


def test_several_heads_with_weights():
    network, heads = two_heads()
    assert_gradients(network, heads, network.init(0)[0], batch(z=1))


def test_a_head_on_a_hidden_node():
    network, heads = two_heads()
    heads["inner"] = Head(MeanSquaredError(), "f", target="h")
    assert_gradients(network, heads, network.init(0)[0], batch(z=1, h=4))


def test_nodes_that_no_head_reaches_have_no_gradient():
    network = Network({"out": Dense(2), "later": Dense(3)}, {"x": (3,)})
    _, values, g, dvalues = backpropagate(network, HEADS, network.init(0)[0], batch())
    assert values["later"].shape == (5, 3)
    assert not g["later"]["W"].any()
    assert set(dvalues) == {"out"}


CALLS = []


@dataclass(frozen=True)
class Spy:
    """A Dense layer that says whether its dx was asked for."""

    name: str
    inner: Dense

    def init(self, rng, in_shape):
        return self.inner.init(rng, in_shape)

    def forward(self, p, x, ctx):
        return self.inner.forward(p, x, ctx)

    def backward(self, p, cache, dy, ctx, need_dx=True):
        CALLS.append((self.name, need_dx))
        return self.inner.backward(p, cache, dy, ctx, need_dx)


def calls(nodes, **features):
    CALLS.clear()
    network = Network(nodes, {"x": (3,)})
    backpropagate(network, HEADS, network.init(0)[0], batch(**features))
    return CALLS


def test_the_first_layer_is_spared_its_dx():
    assert calls({"a": Spy("a", Dense(4)), "f": tanh(), "out": Spy("out", Dense(2))}) == [("out", True), ("a", False)]


def test_nothing_runs_below_the_first_trained_tensor():
    nodes = {"a": Node(Spy("a", Dense(4)), frozen=True), "f": tanh(), "b": Spy("b", Dense(4)), "out": Spy("out", Dense(2))}
    assert calls(nodes) == [("out", True), ("b", False)]


def test_a_frozen_node_above_a_trained_one_hands_its_dx_down():
    nodes = {"a": Spy("a", Dense(4)), "b": Node(Spy("b", Dense(4)), frozen=True), "out": Spy("out", Dense(2))}
    assert calls(nodes) == [("out", True), ("b", True), ("a", False)]


def test_replica_slices_of_a_pass_equal_lone_passes():
    network, heads = two_heads()
    replicas = [network.init(key)[0] for key in range(3)]
    arena, data = network.arena(replicas[0]), batch(z=1)
    p, g = arena.views(arena.fill(replicas, float)), arena.views(np.zeros((3, arena.P)))
    ctx = Context(replicas=(3,), keys=(0, 1, 2), batch={name: a[None] for name, a in data.items()})
    values, caches = network.forward(p, ctx)
    dvalues = {
        "out": heads["loss"].loss_and_gradient(values, ctx)[1],
        "other": heads["second"].loss_and_gradient(values, ctx)[1],
    }
    network.backward(p, caches, {"out": 0.3 * dvalues["out"], "other": 2 * dvalues["other"]}, g, ctx)
    for r, lone in enumerate(replicas):
        _, _, expected, _ = backpropagate(network, heads, lone, data)
        for node, tensors in expected.items():
            for t, grad in tensors.items():
                assert np.abs(g[node][t][r] - grad).max() < 1e-14


def test_given_values_replace_nodes():
    network = mlp(4, 2)
    p, data = network.init(0)[0], batch()
    whole, _ = network.forward(p, Context(batch=data))
    values, caches = network.forward(p, Context(batch={}), given={"hidden0": whole["hidden0"], "x": data["x"]})
    assert np.array_equal(values["out"], whole["out"])
    assert "hidden0" not in caches


@dataclass(frozen=True)
class Counter:
    """Counts its training steps in a buffer and halves its own tensor after each."""

    buffers: ClassVar[tuple[str, ...]] = ("n",)

    def init(self, rng, in_shape):
        return {"n": np.zeros((1, 1)), "W": np.ones((1, 1))}, in_shape

    def forward(self, p, x, ctx):
        return x * p["W"], x

    def backward(self, p, cache, dy, ctx, need_dx=True):
        return dy * p["W"], {"W": (cache * dy).sum((-2, -1), keepdims=True)}

    def updates(self, p, cache, ctx):
        return {"n": p["n"] + 1}

    def project(self, p, ctx):
        p["W"] *= 0.5

    def carry(self, cache):
        return cache


def test_buffers_projections_and_carried_states():
    network = Network({"count": Counter()}, {"x": (3,)})
    p = network.init(0)[0]
    arena = network.arena(p)
    assert (arena.P, arena.size) == (1, 2)
    ctx = Context(batch=batch())
    _, caches = network.forward(p, ctx)
    network.after(p, caches, ctx)
    assert (p["count"]["n"], p["count"]["W"]) == (1, 0.5)
    assert set(network.carry(caches)) == {"count"}


def test_a_frozen_node_is_not_projected():
    network = Network({"count": Node(Counter(), frozen=True)}, {"x": (3,)})
    p, ctx = network.init(0)[0], Context(batch=batch())
    network.after(p, network.forward(p, ctx)[1], ctx)
    assert p["count"]["W"] == 1
