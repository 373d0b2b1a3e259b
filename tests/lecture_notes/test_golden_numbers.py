"""The numbers of the lecture notes: neurons, feed-forward networks and backpropagation (A), and the errata among them."""

import numpy as np
import pytest
from networks import assert_gradients, backpropagate, differences, learner, lone, mlp, regression

from framework import Context, Head, Network, Node
from framework_activations.relu import Relu
from framework_activations.sigmoid import Sigmoid
from framework_activations.tanh import Tanh
from framework_layers.activation import ActivationLayer
from framework_layers.add import Add
from framework_layers.dense import Dense
from framework_losses.half_squared_error import HalfSquaredError
from framework_losses.mae import MeanAbsoluteError
from framework_losses.max_margin import MaxMargin
from framework_optimizers.sgd import Sgd
from framework_regularizers.l1 import L1

CTX = Context()
GOLDEN = 1e-6
HALF = {"loss": Head(HalfSquaredError(), "out")}


def near(a, b, tolerance=GOLDEN):
    return np.abs(np.asarray(a) - np.asarray(b)).max() < tolerance


def test_A1_single_sigmoid_neuron():
    network = Network({"z": Dense(1), "out": ActivationLayer(Sigmoid())}, {"x": (3,)})
    p = {"z": {"W": np.array([[0.2], [-0.4], [0.1]]), "b": np.array([[0.3]])}}
    x = np.array([[1.0, 2.0, 3.0]])
    _, values, _, _ = backpropagate(network, HALF, p, {"x": x, "y": np.zeros((1, 1))})
    assert values["out"][0, 0] == pytest.approx(1 / (1 + np.exp(-(0.2 - 0.8 + 0.3 + 0.3))), abs=1e-15)
    assert_gradients(network, HALF, p, {"x": x, "y": np.ones((1, 1))})


def test_A2_tanh_derivative_forms():
    u = np.array([[1.3]])
    _, cache = Tanh().forward(u, CTX)
    du = Tanh().backward(cache, np.ones((1, 1)), CTX)
    assert near(du, 4 / (np.exp(u) + np.exp(-u)) ** 2, 1e-12)
    assert near(du, 1 - np.tanh(u) ** 2, 1e-12)
    assert near(du, 0.257433)


def test_A3_row_and_column_convention():
    rng = np.random.default_rng(0)
    W, b, x = rng.standard_normal((4, 3)), rng.standard_normal((1, 3)), rng.standard_normal((1, 4))
    rows, _ = Dense(3).forward({"W": W, "b": b}, x, CTX)
    assert near(rows.T, W.T @ x.T + b.T, 1e-15)


def test_A4_hidden_layers_of_different_width():
    network, data = mlp(5, 3, 7, 2), regression()
    assert [p["W"].shape for p in network.init(0)[0].values() if p] == [(3, 5), (5, 3), (3, 7), (7, 2)]
    before, after = (lone(learner(network, steps=steps), data) for steps in (1, 200))
    batch = {"x": data.splits["train"]["x"], "y": data.splits["train"]["y"]}
    losses = [backpropagate(network, HALF, outcome.weights, batch)[0] for outcome in (before, after)]
    assert losses[1] < 0.7 * losses[0]


def test_A5_bias_is_another_input():
    rng = np.random.default_rng(0)
    W, b, x, dy = (rng.standard_normal(shape) for shape in ((4, 3), (1, 3), (6, 4), (6, 3)))
    with_bias, without = Dense(3), Dense(3, bias=False)
    joined = {"W": np.concatenate([W, b])}
    y, cache = with_bias.forward({"W": W, "b": b}, x, CTX)
    y1, cache1 = without.forward(joined, np.concatenate([x, np.ones((6, 1))], 1), CTX)
    assert near(y, y1, 1e-14)
    _, grads = with_bias.backward({"W": W, "b": b}, cache, dy, CTX)
    _, grads1 = without.backward(joined, cache1, dy, CTX)
    assert near(np.concatenate([grads["W"], grads["b"]]), grads1["W"], 1e-14)


def test_A8_fixture_4_2_1():
    network = Network({"hidden": Dense(2), "act": ActivationLayer(Sigmoid()), "out": Dense(1)}, {"x": (4,)})
    W1 = np.array([[0.1, 0.2, 0.3, 0.4], [0.5, 0.6, 0.7, 0.8]])
    p = {
        "hidden": {"W": W1.T.copy(), "b": np.array([[0.1, -0.1]])},
        "out": {"W": np.array([[0.9], [-0.5]]), "b": np.array([[0.2]])},
    }
    ctx = Context(batch={"x": np.array([[1, 0.5, -1, 2]])})
    values, caches = network.forward(p, ctx)
    assert near(values["hidden"], [[0.8, 1.6]])
    assert near(values["act"], [[0.689974, 0.832018]])
    assert near(values["out"], 0.404968)

    g = network.arena(p).views(np.zeros(13))
    deltas = network.backward(p, caches, {"out": np.ones((1, 1))}, g, ctx)  # delta(3) = 1: the derivative of s itself
    assert near(deltas["act"], [[0.9, -0.5]])  # the error at a(2) is W(2)
    assert near(deltas["hidden"], [[0.192519, -0.069882]])
    dW1 = [[0.192519, 0.096259, -0.192519, 0.385037], [-0.069882, -0.034941, 0.069882, -0.139764]]
    assert near(g["hidden"]["W"].T, dW1)
    assert near(g["hidden"]["W"].T[0, 3], 0.385037)


def three_layers():
    network = mlp(4, 3, 2, activation=Sigmoid())
    rng = np.random.default_rng(1)
    batch = {"x": rng.standard_normal((5, 3)), "y": rng.standard_normal((5, 2))}
    return network, network.init(0)[0], batch


def test_A9_delta_recursion():
    network, p, batch = three_layers()
    _, values, _, deltas = backpropagate(network, HALF, p, batch)
    delta = (values["out"] - batch["y"]) / 5
    assert near(deltas["out"], delta, 1e-15)
    for above, here in (("out", "1"), ("hidden1", "0")):
        h = values[f"act{here}"]
        delta = delta @ p[above]["W"].T * h * (1 - h)
        assert near(deltas[f"hidden{here}"], delta, 1e-15)
    assert_gradients(network, HALF, p, batch)


def test_A10_gradients_are_delta_times_input():
    network, p, batch = three_layers()
    _, values, g, deltas = backpropagate(network, HALF, p, batch)
    for node, below in (("hidden0", "x"), ("hidden1", "act0"), ("out", "act1")):
        assert near(g[node]["W"], values[below].T @ deltas[node], 1e-15)
        assert near(g[node]["b"], deltas[node].sum(0, keepdims=True), 1e-15)


def test_A11_half_squared_error_gradient_is_exact():
    y, t = np.array([[0.3, -1.2, 2.0]]), np.array([[1.1, 0.4, -0.7]])
    loss, dy = HalfSquaredError()(y, t, CTX)
    assert np.array_equal(dy, y - t)
    assert loss == pytest.approx(0.5 * ((y - t) ** 2).sum(), abs=1e-15)


def test_A12_accumulated_samples_equal_one_batch():
    network, p, batch = three_layers()
    loss, _, whole, _ = backpropagate(network, HALF, p, batch)
    singles = [backpropagate(network, HALF, p, {k: a[i : i + 1] for k, a in batch.items()}) for i in range(5)]
    assert np.mean([single[0] for single in singles]) == pytest.approx(loss, abs=1e-12)
    for node, tensors in whole.items():
        for t, grad in tensors.items():
            assert near(sum(single[2][node][t] for single in singles) / 5, grad, 1e-12)


def test_A13_delta_is_an_elementwise_product():
    activation, rng = Sigmoid(), np.random.default_rng(0)
    z, back = rng.standard_normal((2, 3, 4))
    a, cache = activation.forward(z, CTX)
    delta = activation.backward(cache, back, CTX)
    for i in np.ndindex(z.shape):
        assert delta[i] == pytest.approx(back[i] * a[i] * (1 - a[i]), abs=1e-15)


def test_A14_chain_rule_through_two_paths():
    nodes = {
        "h1": Dense(1, bias=False),
        "a1": ActivationLayer(Sigmoid()),
        "h3": Node(Dense(1, bias=False), "a1"),
        "a3": ActivationLayer(Tanh()),
        "h4": Node(Dense(1, bias=False), "a1"),
        "a4": ActivationLayer(Sigmoid()),
        "out": Node(Add(), ("a3", "a4")),
    }
    network = Network(nodes, {"x": (1,)})
    p = {"h1": {"W": np.array([[0.7]])}, "h3": {"W": np.array([[-1.1]])}, "h4": {"W": np.array([[0.4]])}}
    ctx = Context(batch={"x": np.array([[1.5]])})
    values, caches = network.forward(p, ctx)
    g = network.arena(p).views(np.zeros(3))
    network.backward(p, caches, {"out": np.ones((1, 1))}, g, ctx)
    a1, a3, a4 = (values[a][0, 0] for a in ("a1", "a3", "a4"))
    through_h3, through_h4 = (1 - a3**2) * -1.1, a4 * (1 - a4) * 0.4
    assert near(g["h1"]["W"], (through_h3 + through_h4) * a1 * (1 - a1) * 1.5, 1e-15)
    numeric = differences(lambda: float(network.forward(p, ctx)[0]["out"][0, 0]), p["h1"]["W"])
    assert near(g["h1"]["W"], numeric, 1e-9)


def test_A15_partials_of_one_hidden_layer():
    network, rng = mlp(2, 1, activation=Tanh(), features=3, bias=False), np.random.default_rng(0)
    p, ctx = network.init(0)[0], Context(batch={"x": rng.standard_normal((1, 3))})
    values, caches = network.forward(p, ctx)
    g = network.arena(p).views(np.zeros(8))
    dvalues = network.backward(p, caches, {"out": np.ones((1, 1))}, g, ctx)  # dy/dy = 1: what follows are partials of y
    h, w, x = values["act0"], p["out"]["W"], ctx.batch["x"]
    assert near(g["out"]["W"], h.T, 1e-15)  # dy/dw_i = h_i
    assert near(dvalues["act0"], w.T, 1e-15)  # dy/dh_j = w_j
    assert near(g["hidden0"]["W"], x.T @ (w.T * (1 - h**2)), 1e-15)  # dy/dw_ij = w_j phi'_j x_i


def test_A16_E12_sign_of_the_update():
    w, x, y = np.array([[0.5]]), np.array([[2.0]]), np.array([[3.0]])
    _, _, g, _ = backpropagate(mlp(1, features=1, bias=False), HALF, {"out": {"W": w}}, {"x": x, "y": y})
    after = w.copy()
    Sgd(0.1).update(after, g["out"]["W"], {}, 0.1, CTX)
    assert near(after - w, 0.4, 1e-15)


def test_A17_subgradients_where_there_is_no_derivative():
    zero = np.zeros((1, 1))
    relu = Relu()
    assert relu.backward(relu.forward(zero, CTX)[1], np.ones((1, 1)), CTX) == 1  # the slides' f' is 1 for x >= 0
    assert L1(0.1)(zero, CTX)[1] == 0
    assert MeanAbsoluteError()(zero, zero, CTX)[1] == 0
    _, (ds, ds_c) = MaxMargin(1.0)((zero + 1, zero), None, CTX)  # s - s_c is the margin
    assert (ds, ds_c) == (0, 0)


def test_A18_the_two_cases_of_delta():
    network = mlp(3, 2, activation=Sigmoid())
    network = Network({**network.nodes, "y": ActivationLayer(Sigmoid())}, network.fields)
    rng = np.random.default_rng(1)
    p, batch = network.init(0)[0], {"x": rng.standard_normal((1, 3)), "y_true": rng.uniform(size=(1, 2))}
    head = {"loss": Head(HalfSquaredError(), "y", target="y_true")}
    _, values, g, _ = backpropagate(network, head, p, batch)
    y, a = values["y"], values["act0"]
    sensitivity = (y - batch["y_true"]) * y * (1 - y)  # case 1: an output neuron
    assert near(g["out"]["W"], a.T @ sensitivity, 1e-15)
    for j in range(3):  # case 2: a hidden neuron
        summed = sum(sensitivity[0, k] * p["out"]["W"][j, k] for k in range(2))
        assert near(g["hidden0"]["W"][:, j], summed * a[0, j] * (1 - a[0, j]) * batch["x"][0], 1e-15)
