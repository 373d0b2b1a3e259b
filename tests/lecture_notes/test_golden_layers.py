"""Golden numbers of the lecture notes: convolution and pooling (I2 to I8); layers inside a training."""

import numpy as np
import pytest
from configs import judged
from networks import learner, regression

from framework import Context, Data, Field, Network, Node, discover
from framework.experiments.builder import assemble
from framework.training.trainer import train

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
    full, _ = get("layer", "dense")(24 * 24).init(np.random.default_rng(0), (28 * 28,))
    assert sum(a.size for a in full.values()) == 452160


def test_I6_max_pooling_forgets_where_the_largest_value_was():
    image = np.zeros((4, 1, 4, 4))
    for n, (row, column) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):  # four places in one window of 2 x 2
        image[n, 0, row, column] = 1
    y, _ = get("layer", "max_pool")().forward({}, image, Context())
    assert np.array_equal(y, np.broadcast_to(y[:1], y.shape))
    assert y[0, 0].tolist() == [[1, 0], [0, 0]]
    anywhere = np.eye(16).reshape(16, 1, 4, 4)  # a pool over the whole image forgets it altogether
    assert get("layer", "global_pool")("max").forward({}, anywhere, Context())[0].tolist() == [[1.0]] * 16


def test_I5_a_shifted_image_gives_a_shifted_map():
    layer, rng = get("layer", "conv2d")(2), np.random.default_rng(0)
    p, _ = layer.init(rng, (1, 9, 9))
    x = rng.standard_normal((1, 1, 9, 9))
    y, shifted = (layer.forward(p, a, Context())[0] for a in (x, np.roll(x, 2, -1)))
    assert np.array_equal(y[..., :-2], shifted[..., 2:])


@pytest.mark.parametrize(
    ("name", "options", "in_shape", "shape", "fans"),
    [
        ("conv2d", {"filters": 8, "size": 3}, (4, 6, 6), (36, 8), (36, 72)),  # receptive field x channels
        ("conv2d", {"filters": 8, "size": 1}, (4, 6, 6), (4, 8), (4, 8)),  # a dense layer at every place
        ("conv2d", {"filters": 8, "size": 3, "stride": 3}, (4, 6, 6), (36, 8), (36, 72)),
        ("dense", {"units": 5}, (7,), (7, 5), (7, 5)),
    ],
)
def test_F8_fans_of_a_kernel(name, options, in_shape, shape, fans):
    asked = []

    class Spy:
        def __call__(self, rng, shape, fans=None):
            asked.append((shape, fans or shape))
            return np.zeros(shape)

    get("layer", name)(**options, initializer=Spy()).init(np.random.default_rng(0), in_shape)
    assert asked == [(shape, fans)]


@pytest.mark.parametrize(
    ("initializer", "variance"), [("lecun_normal", 1 / 144), ("xavier_normal", 2 / (144 + 288)), ("he_normal", 2 / 144)]
)
def test_F8_the_kernel_of_a_convolution_is_scaled_by_its_fans(initializer, variance):
    layer = get("layer", "conv2d")(32, 3, initializer=get("initializer", initializer)())
    p, _ = layer.init(np.random.default_rng(0), (16, 8, 8))
    assert p["W"].var() == pytest.approx(variance, rel=4 * (2 / p["W"].size) ** 0.5)  # four standard errors


def test_a_window_that_does_not_fit_again_leaves_the_edge_out():
    pool = get("layer", "max_pool")(3, stride=2)
    assert pool.init(np.random.default_rng(0), (2, 8, 6))[1] == (2, 3, 2)  # (8 - 3) / 2 = 2.5, (6 - 3) / 2 = 1.5


@pytest.mark.parametrize(("kind", "y", "dx"), [("max", 9, [[0, 0], [9, 0]]), ("average", 4, None), ("sum", 16, None)])
def test_global_pooling_of_a_channel(kind, y, dx):
    x = np.array([[[[1.0, 3], [9, 3]], [[2, 2], [2, 2]]]])  # two channels
    layer = get("layer", "global_pool")(kind)
    found, cache = layer.forward({}, x, Context())
    assert found.tolist() == [[y, {"max": 2, "average": 2, "sum": 8}[kind]]]
    back, _ = layer.backward({}, cache, np.array([[9.0, 4]]), Context())
    assert back[0, 0].tolist() == (dx or np.full((2, 2), 9 / 4 if kind == "average" else 9).tolist())
    if kind == "max":
        assert back[0, 1].tolist() == [[4, 0], [0, 0]]  # of several largest, the first


def test_a_global_pool_is_a_pool_whose_window_is_the_image():
    x = np.random.default_rng(0).standard_normal((3, 2, 4, 4))
    for kind in ("max", "average", "sum"):
        whole, window = get("layer", "global_pool")(kind), get("layer", f"{kind}_pool")(4)
        (y, cache), (z, z_cache) = (layer.forward({}, x, Context()) for layer in (whole, window))
        assert y == pytest.approx(z[..., 0, 0], abs=1e-14)
        dx, dz = whole.backward({}, cache, y, Context())[0], window.backward({}, z_cache, z, Context())[0]
        assert dx == pytest.approx(dz, abs=1e-14)


def stripes(n=60):
    """Images 6 x 6 with a bright row (class 0) or a bright column (class 1), anywhere, in noise."""
    rng = np.random.default_rng(0)
    x, y = 0.1 * rng.standard_normal((n, 1, 6, 6)), np.arange(n) % 2
    for image, label, at in zip(x, y, rng.integers(0, 6, n), strict=True):
        np.swapaxes(image[0], 0, label)[at] += 1
    return Data({"train": {"x": x, "y": y}}, {"x": Field("NCHW"), "y": Field("N", "label", 2)})


FULLY_CONVOLUTIONAL = """
dataset: {type: xor}
model:
  layers:
    conv: {type: conv2d, filters: 6, padding: same}
    act: {type: activation, function: relu}
    classes: {type: conv2d, filters: 2, size: 1}
    pool: {type: global_pool, kind: max}
optimizer: {type: adam, lr: 0.02}
trainer: {epochs: 40}
"""


def test_I14_a_network_without_dense_layers_trains_and_reads_images_of_any_size():
    member, data = assemble(judged(text=FULLY_CONVOLUTIONAL), stripes()), stripes()
    assert not any("Dense" in type(node.layer).__name__ for node in member.network.nodes.values())
    outcome = train([member], [data], [0], dtype=np.float64)[0]
    assert outcome.metrics["train/accuracy"] > 0.95
    larger = np.zeros((2, 1, 9, 12))
    larger[0, 0, 7], larger[1, 0, :, 10] = 1, 1
    values, _ = member.network.forward(outcome.weights, Context(train=False, batch={"x": larger}))
    assert values["pool"].argmax(-1).tolist() == [0, 1]


def test_I4_each_feature_map_sums_over_all_channels_with_a_kernel_for_each():
    conv = get("layer", "conv2d")(2, 3)
    p, shape = conv.init(np.random.default_rng(0), (3, 5, 5))
    assert (p["W"].shape, shape) == ((3 * 3 * 3, 2), (2, 3, 3))  # C_in k k rows, C_out columns
    x = np.random.default_rng(1).standard_normal((1, 3, 5, 5))
    y, _ = conv.forward(p, x, Context())
    single = get("layer", "conv2d")(1, 3, bias=False)
    for f in range(2):
        maps = [single.forward({"W": p["W"][9 * c : 9 * c + 9, f : f + 1]}, x[:, c : c + 1], Context())[0] for c in range(3)]
        assert y[:, f] == pytest.approx(sum(maps)[:, 0], abs=1e-14)
