"""Images run in blocks of a few examples: the same numbers, whatever the blocks, and however many threads."""

import numpy as np
import pytest

from framework import Context, Head, Network
from framework.nn import microbatch as blocks
from framework.nn.heads import total_loss
from framework.nn.network import Node
from framework.registry import discovery

GET = discovery.discover().get


def layer(name, *args, **options):
    return GET("layer", name)(*args, **options)


def network(**more):
    layers = {"conv": layer("conv2d", 3), "act": layer("activation"), "pool": layer("max_pool"), **more}
    layers |= {"conv2": layer("conv2d", 2), "flat": layer("flatten"), "out": layer("dense", 4)}
    return Network(layers, {"x": (1, 8, 8), "y": ()})


@pytest.fixture
def few_at_once(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 1200)


def passes(net, threads, read=("out",), replicas=3, watched=False):
    """Values, and the gradient of the loss, of `replicas` networks; without threads as one block."""
    drawn = [net.init(key) for key in range(replicas)]
    arena = net.arena(drawn[0][0])
    w = arena.fill([tensors for tensors, _ in drawn], "float64")
    rng = np.random.default_rng(0)
    batch = {"x": rng.standard_normal((replicas, 10, 1, 8, 8)), "y": rng.integers(0, 4, (replicas, 10))}
    ctx = Context(replicas=(replicas,), keys=tuple(range(replicas)), batch=batch)
    runner = blocks.in_blocks(net, drawn[0][1], net.nodes if watched else read, threads) if threads else net
    values, caches = runner.forward(arena.views(w), ctx)
    heads = {name: Head(GET("loss", "softmax_cross_entropy")(), name) for name in read}
    g = np.full((replicas, arena.P), np.nan)
    dvalues = runner.backward(arena.views(w), caches, total_loss(heads, values, ctx)[1], arena.views(g), ctx)
    return values, g, dvalues


def test_blocks_give_the_numbers_of_the_whole_batch(few_at_once):
    net = network()
    whole, parts = passes(net, None), passes(net, 2)
    np.testing.assert_allclose(parts[0]["out"], whole[0]["out"], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(parts[1], whole[1], rtol=1e-12, atol=1e-14)


def test_the_number_of_threads_changes_no_bit(few_at_once):
    one, many = passes(network(), 1), passes(network(), 3)
    assert np.array_equal(one[0]["out"], many[0]["out"])
    assert np.array_equal(one[1], many[1])


def test_a_probe_sees_all_outputs_and_their_gradients(few_at_once):
    net = network()
    whole, parts = passes(net, None), passes(net, 2, watched=True)
    for expected, found in ((whole[0], parts[0]), (whole[2], parts[2])):
        for node in net.nodes:
            if node in expected:
                np.testing.assert_allclose(found[node], expected[node], rtol=1e-12, atol=1e-14)
    assert np.array_equal(parts[1], passes(net, 2)[1])


def test_a_head_and_a_later_node_may_read_the_middle_of_the_front(few_at_once):
    layers = {"conv": layer("conv2d", 1), "flat": layer("flatten"), "early": layer("dense", 4)}
    layers |= {"pool": Node(layer("max_pool"), "conv"), "flat2": layer("flatten"), "late": layer("dense", 4)}
    net = Network({**layers, "out": Node(layer("add"), ("early", "late"))}, {"x": (1, 8, 8), "y": ()})
    whole, parts = passes(net, None), passes(net, 2)
    np.testing.assert_allclose(parts[0]["out"], whole[0]["out"], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(parts[1], whole[1], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("name", "ends_before"), [("dropout", "drop"), ("batch_norm", "drop")])
def test_what_draws_or_looks_at_the_whole_batch_ends_the_front(name, ends_before):
    net = network(drop=layer(name))
    assert blocks.front(net, net.init(0)[1]) == ["conv", "act", "pool"]


def test_a_network_without_images_has_no_front():
    net = Network({"out": layer("dense", 4)}, {"x": (5,), "y": ()})
    assert blocks.in_blocks(net, net.init(0)[1], ("out",), 2) is net


def test_shared_kernels_keep_the_network_whole():
    layers = {"a": layer("conv2d", 1, padding="same"), "b": Node(layer("conv2d", 1, padding="same"), "a", share="a")}
    net = Network({**layers, "flat": layer("flatten")}, {"x": (1, 8, 8), "y": ()})
    assert blocks.front(net, net.init(0)[1]) == []


def test_a_small_batch_is_one_block():
    net = network()
    runner = blocks.in_blocks(net, net.init(0)[1], ("out",), 2)
    ctx = Context(replicas=(1,), batch={"x": np.zeros((1, 10, 1, 8, 8)), "y": np.zeros((1, 10), int)})
    assert runner._blocks(ctx) == [slice(0, 10)]
