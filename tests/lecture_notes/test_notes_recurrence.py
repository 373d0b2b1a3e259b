"""What recurrence is: one function at every step (J1, J2, J4), the notes' four criteria (J6), gated cells (K1, K11)."""

import numpy as np
import pytest
from networks import differences

from framework import Context, Network, T, discover
from framework.config.composition import compose
from framework.experiments.experiment import prepare

get = discover().get


def recurrent(cell, units=3, output="all", bias=True, **more):
    return get("layer", "recurrent")(get("cell", cell)(units, **more), output, bias=bias)


def drawn(layer, features=2, steps=4, n=2):
    """Tensors that are nowhere 0, and a sequence."""
    rng = np.random.default_rng(1)
    p, _ = layer.init(np.random.default_rng(0), (None, features))
    return {name: a + 0.3 * rng.standard_normal(a.shape) for name, a in p.items()}, rng.standard_normal((steps, n, features))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# ---- J1, J2, J4: one function, the same tensors in every step ----


@pytest.mark.parametrize("cell", ["simple", "lstm", "gru"])
def test_J1_a_gradient_is_the_sum_over_steps_that_each_have_their_own_copy(cell):
    layer = recurrent(cell, output="last")
    p, x = drawn(layer)
    _, cache = layer.forward(p, x, Context(name="rnn"))
    weight = np.random.default_rng(2).standard_normal((2, 3))
    shared = layer.backward(p, cache, weight, Context())[1]
    terms = layer.terms(p, cache, weight, Context())
    copies = [{name: a.copy() for name, a in p.items()} for _ in x]

    def unrolled():
        carry = {}
        for own, step in zip(copies, x, strict=True):
            y, cache = layer.forward(own, step[None], Context(name="rnn", carry=carry))
            carry = {"rnn": layer.carry(cache)}
        return float((weight * y).sum())

    for name, grad in shared.items():
        of_copies = [differences(unrolled, own[name]) for own in copies]
        assert sum(of_copies) == pytest.approx(grad, abs=1e-8)
        assert np.stack(of_copies) == pytest.approx(terms[name], abs=1e-8)


@pytest.mark.parametrize(("name", "f"), [("sigmoid", sigmoid), ("tanh", np.tanh), ("relu", lambda x: np.maximum(x, 0))])
@pytest.mark.parametrize("bias", [True, False])
def test_J2_four_names_of_one_cell(name, f, bias):
    layer = recurrent("simple", bias=bias, activation=get("activation", name)())
    p, x = drawn(layer)
    assert set(p) == ({"W", "U", "b"} if bias else {"W", "U"})
    b = p["b"] if bias else 0.0
    rows = columns = np.zeros((2, 3))
    y = []
    for x_t in x:
        rows = f(x_t @ p["W"] + rows @ p["U"] + b)  # S_t = f(x_t Wx + S_{t-1} Ws), with a bias where there is one
        columns = T(
            f(T(p["W"]) @ T(x_t) + T(p["U"]) @ T(columns) + T(np.broadcast_to(b, (1, 3))))
        )  # h_t = f(U x_t + V h_{t-1})
        assert columns == pytest.approx(rows, abs=1e-15)
        y.append(rows)
    assert layer.forward(p, x, Context())[0] == pytest.approx(np.array(y), abs=1e-14)


def test_J4_elman_is_another_name_of_the_simple_cell():
    assert get("cell", "elman") is get("cell", "simple")
    made = prepare(compose(["model=rnn", "model.layers.rnn.cell.type=elman", "dataset=weather", "tracking=none"]))
    assert [type(node.layer).__name__ for node in made.learner.network.nodes.values()] == ["OneHot", "Recurrent", "Dense"]


# ---- J6: the four criteria of a model of sequences ----


@pytest.mark.parametrize("cell", ["simple", "lstm", "gru"])
def test_J6_lengths_may_vary(cell):
    layer = recurrent(cell, output="last")
    p, x = drawn(layer, steps=5)
    mask = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]).T.astype(float)
    y, _ = layer.forward(p, x, Context(batch={"mask": mask}))
    for i, length in enumerate((3, 5)):
        assert y[i] == pytest.approx(layer.forward(p, x[:length, i : i + 1], Context())[0][0], abs=1e-15)


def test_J6_what_was_said_long_ago_can_be_kept():
    layer = recurrent("lstm", units=1, output="last")
    p, x = drawn(layer, features=1, steps=1000, n=1)
    x[1:] = 0
    p["b"][...] = [[-20, 20, 20, 0]]  # nothing is let in, nothing is forgotten, all is shown
    p["W"][...] = [[40, 0, 0, 1]]  # but what is not 0
    p["U"][...] = 0
    x[0] = 1
    _, cache = layer.forward(p, x, Context())
    assert cache.final[0, 1] == pytest.approx(np.tanh(1), abs=1e-5)
    dx, _ = layer.backward(p, cache, np.ones((1, 1)), Context())
    assert dx[0, 0, 0] > 0.1


@pytest.mark.parametrize("cell", ["simple", "lstm", "gru"])
def test_J6_order_is_kept(cell):
    layer = recurrent(cell, output="last")
    p, x = drawn(layer)
    there, back = (layer.forward(p, a, Context())[0] for a in (x, x[::-1]))
    assert np.abs(there - back).min() > 1e-3


@pytest.mark.parametrize("cell", ["simple", "lstm", "gru"])
def test_J6_parameters_are_shared_over_time(cell):
    layer = recurrent(cell, output="last")
    short, long = (Network({"rnn": layer}, {"x": (steps, 2)}).init(0)[0]["rnn"] for steps in (4, 400))
    assert {t: a.shape for t, a in short.items()} == {t: a.shape for t, a in long.items()}
    p, x = drawn(layer)
    later = np.concatenate([np.ones((3, 2, 2)), x])  # the same words three steps later, after padding
    mask = np.concatenate([np.zeros((3, 2)), np.ones((4, 2))])
    y, _ = layer.forward(p, later, Context(batch={"mask": mask}))
    assert y == pytest.approx(layer.forward(p, x, Context())[0], abs=1e-15)


# ---- K1, K11: the gated cells ----


def test_K1_the_lstm_in_rows():
    layer = recurrent("lstm")
    p, x = drawn(layer)
    U, V, b = ({k: a[:, i * 3 : i * 3 + 3] for i, k in enumerate("ifog")} for a in (p["W"], p["U"], p["b"]))
    h = s = hc = sc = np.zeros((2, 3))
    y = []
    for x_t in x:
        z = {k: b[k] + x_t @ U[k] + h @ V[k] for k in "ifog"}
        s = s * sigmoid(z["f"]) + np.tanh(z["g"]) * sigmoid(z["i"])
        h = np.tanh(s) * sigmoid(z["o"])
        z = {k: T(b[k]) + T(U[k]) @ T(x_t) + T(V[k]) @ T(hc) for k in "ifog"}  # K2, in columns: the same, transposed
        sc = sc * T(sigmoid(z["f"])) + T(np.tanh(z["g"]) * sigmoid(z["i"]))
        hc = np.tanh(sc) * T(sigmoid(z["o"]))
        assert hc == pytest.approx(h, abs=1e-15)
        y.append(h)
    assert layer.forward(p, x, Context())[0] == pytest.approx(np.array(y), abs=1e-14)


@pytest.mark.parametrize("reset", ["before", "after"])
def test_K11_the_gru_with_reset_before_or_after_the_product(reset):
    layer = recurrent("gru", reset=reset)
    p, x = drawn(layer)
    W, U, b = ({k: a[:, i * 3 : i * 3 + 3] for i, k in enumerate("rzg")} for a in (p["W"], p["U"], p["b"]))
    h, y = np.zeros((2, 3)), []
    for x_t in x:
        r, z = (sigmoid(x_t @ W[k] + h @ U[k] + b[k]) for k in "rz")
        past = (r * h) @ U["g"] if reset == "before" else r * (h @ U["g"])
        h = h * z + np.tanh(past + x_t @ W["g"] + b["g"]) * (1 - z)
        y.append(h)
    assert layer.forward(p, x, Context())[0] == pytest.approx(np.array(y), abs=1e-14)


def test_K11_the_two_resets_are_two_networks():
    before, after = (recurrent("gru", reset=reset) for reset in ("before", "after"))
    p, x = drawn(before)
    assert np.abs(before.forward(p, x, Context())[0] - after.forward(p, x, Context())[0]).max() > 1e-3
