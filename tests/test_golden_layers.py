"""Golden numbers of the lecture notes: convolution and pooling (I2 to I8); layers inside a training."""

import numpy as np
import pytest
from small import learner, regression

from framework import Context, Network, Node, discover
from framework.training import train

get = discover().get
IMAGE = np.array([[1, 3, 2, 1], [4, 6, 5, 0], [7, 2, 9, 8], [1, 0, 3, 4]], float)[None, None]


@pytest.mark.parametrize(
    ("name", "y", "dx"),
    [
        ("max_pool", [[6, 5], [7, 9]], [[0, 0, 0, 0], [0, 1, 1, 0], [1, 0, 1, 0], [0, 0, 0, 0]]),
        ("sum_pool", [[14, 8], [10, 24]], np.ones((4, 4))),
        ("average_pool", [[3.5, 2], [2.5, 6]], np.full((4, 4), 0.25)),
    ],
)
def test_I6_I7_I8_pooling(name, y, dx):
    layer = get("layer", name)()
    found, cache = layer.forward({}, IMAGE, Context())
    assert found[0, 0].tolist() == y
    assert np.array_equal(layer.backward({}, cache, np.ones((1, 1, 2, 2)), Context())[0][0, 0], dx)


def test_A14_two_paths_that_are_joined_add_their_gradients_in_training():
    parts = {"a": Node(get("layer", "dense")(3), "x"), "b": Node(get("layer", "dense")(2), "x")}
    network = Network(
        {**parts, "both": Node(get("layer", "concat")(), ("a", "b")), "out": get("layer", "dense")(2)}, {"x": (3,)}
    )
    outcome = train([learner(network, steps=200)], [regression(n=40)], [0])[0]
    assert outcome.status == "finished"
    assert outcome.weights["out"]["W"].shape == (5, 2)


def test_buffers_of_a_stack_follow_each_replica_alone():
    def normed(lr):
        layers = {"hidden": get("layer", "dense")(4), "norm": get("layer", "batch_norm")(), "out": get("layer", "dense")(2)}
        return learner(Network(layers, {"x": (3,)}), get("optimizer", "sgd")(lr=lr), steps=60, batch_size=8)

    data, rates = regression(n=40, val=20), (0.01, 0.05, 0.1)
    together = train([normed(lr) for lr in rates], [data], [0, 1, 2], dtype=np.float64)
    for key, (lr, member) in enumerate(zip(rates, together, strict=True)):
        alone = train([normed(lr)], [data], [key], dtype=np.float64)[0]
        for name in ("mean", "var", "gamma", "beta"):
            assert member.weights["norm"][name] == pytest.approx(alone.weights["norm"][name], abs=1e-9)
        assert np.abs(member.weights["norm"]["mean"]).max() > 0


def dense_matrix(layer, p, shape):
    """The matrix of a convolution without bias, column by column: what it makes of each unit image."""
    size = int(np.prod(shape))
    y, _ = layer.forward(p, np.eye(size).reshape(size, *shape), Context())
    return y.reshape(size, -1)


@pytest.mark.parametrize(
    "options", [{}, {"stride": 2}, {"padding": 1}, {"padding": "same"}, {"size": 2, "stride": 2, "padding": 1}]
)
def test_I2_a_convolution_is_a_dense_layer_with_shared_and_missing_weights(options):
    layer, shape, rng = get("layer", "conv2d")(3, bias=False, **options), (2, 5, 6), np.random.default_rng(0)
    p, out = layer.init(rng, shape)
    M, x = dense_matrix(layer, p, shape), rng.standard_normal((4, *shape))
    y, cache = layer.forward(p, x, Context())
    assert y.shape == (4, *out)
    assert y.reshape(4, -1) == pytest.approx(x.reshape(4, -1) @ M, abs=1e-12)
    assert len(np.unique(np.abs(M).round(12))) <= p["W"].size + 1  # shared
    assert (M == 0).sum() > M.size / 2  # sparse
    dy = rng.standard_normal(y.shape)
    dx, grads = layer.backward(p, cache, dy, Context())
    assert dx.reshape(4, -1) == pytest.approx(dy.reshape(4, -1) @ M.T, abs=1e-12)
    dM = x.reshape(4, -1).T @ dy.reshape(4, -1)
    for index in np.ndindex(*p["W"].shape):  # the gradient of a shared weight is the sum over its places
        unit = {"W": np.zeros_like(p["W"])}
        unit["W"][index] = 1
        assert grads["W"][index] == pytest.approx((dense_matrix(layer, unit, shape) * dM).sum(), abs=1e-9)


def test_I3_parameters_of_a_convolution_and_of_the_dense_layer_it_replaces():
    p, out = get("layer", "conv2d")(1, 5).init(np.random.default_rng(0), (1, 28, 28))
    assert out == (1, 24, 24)
    assert sum(a.size for a in p.values()) == 26
    assert 28 * 28 * 24 * 24 + 24 * 24 == 452160


def test_I5_a_shifted_image_gives_a_shifted_map():
    layer, rng = get("layer", "conv2d")(2), np.random.default_rng(0)
    p, _ = layer.init(rng, (1, 9, 9))
    x = rng.standard_normal((1, 1, 9, 9))
    y, shifted = (layer.forward(p, a, Context())[0] for a in (x, np.roll(x, 2, -1)))
    assert np.array_equal(y[..., :-2], shifted[..., 2:])
