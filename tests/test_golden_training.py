"""The numbers of the lecture notes: optimizers (D), initialization (F, E25, E26) and regularization (H)."""

from dataclasses import replace

import numpy as np
import pytest
from small import Record, distance, learner, lone, mlp, points, regression

from framework import Context
from framework.stopping import Best, EarlyStopping
from framework_activations.sigmoid import Sigmoid
from framework_initializers.he_normal import HeNormal
from framework_initializers.he_uniform import HeUniform
from framework_initializers.lecun_normal import LecunNormal
from framework_initializers.lecun_uniform import LecunUniform
from framework_initializers.normal import Normal
from framework_initializers.xavier_normal import XavierNormal
from framework_initializers.xavier_uniform import XavierUniform
from framework_initializers.zeros import Zeros
from framework_layers.dropout import Dropout
from framework_losses.half_squared_error import HalfSquaredError
from framework_losses.mse import MeanSquaredError
from framework_optimizers.adam import Adam
from framework_optimizers.momentum import Momentum
from framework_optimizers.nag import Nag
from framework_optimizers.sgd import Sgd
from framework_regularizers.l1 import L1
from framework_regularizers.l2 import L2

CTX = Context()


def descend(optimizer, rates):
    """The iterates on f(w) = w^2 / 2 from w = 1, and w + alpha M after each."""
    w, path, ahead = np.ones(1), [], []
    state = optimizer.init(w)
    for lr in rates:
        at = optimizer.lookahead(w, state, CTX) if hasattr(optimizer, "lookahead") else w
        optimizer.update(w, at.copy(), state, lr, CTX)
        path.append(w[0])
        ahead.append(w[0] + getattr(optimizer, "alpha", 0) * state["M"][0] if "M" in state else w[0])
    return np.array(path), np.array(ahead)


# --- D: gradient descent and optimizers


def test_D1_gradient_descent():
    path, _ = descend(Sgd(), [0.1] * 3)
    assert path == pytest.approx([0.9, 0.81, 0.729], abs=1e-6)


def test_D2_stochastic_descent_updates_after_every_example():
    data = regression(n=12, features=2, outputs=1)
    x, y = data.splits["train"]["x"], data.splits["train"]["y"]
    network = mlp(1, features=2, bias=False, initializer=Zeros())
    outcome = lone(learner(network, Sgd(0.05), HalfSquaredError(), epochs=1, batch_size=1, shuffle=False), data)
    w = np.zeros((2, 1))
    for i in range(12):
        w -= 0.05 * x[i : i + 1].T @ (x[i : i + 1] @ w - y[i : i + 1])
    assert outcome.step == 12
    assert np.abs(outcome.weights["out"]["W"] - w).max() < 1e-12


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_D3_accumulation_over_a_full_pass_is_batch_descent(reduction):
    data, loss = regression(n=12), HalfSquaredError(reduction)
    batch = lone(learner(mlp(4, 2), Sgd(0.01), loss, epochs=5, batch_size="all"), data)
    parts = lone(learner(mlp(4, 2), Sgd(0.01), loss, epochs=5, batch_size=1, accumulate=12), data)
    assert batch.step == parts.step == 5
    assert distance(batch, parts) < 1e-12


def test_D4_momentum():
    path, _ = descend(Momentum(alpha=0.9), [0.1] * 5)
    assert path[:3] == pytest.approx([0.9, 0.72, 0.486], abs=1e-6)
    assert path[4] == pytest.approx(-0.02916, abs=1e-6)


def test_D4_momentum_when_the_rate_changes():
    path, _ = descend(Momentum(alpha=0.9), [0.1, 0.1, 0.01, 0.01, 0.01])
    assert path[-1] == pytest.approx(0.247073, abs=1e-6)


def test_D5_nesterov_and_its_look_ahead():
    path, ahead = descend(Nag(alpha=0.9), [0.1] * 5)
    assert path[:3] == pytest.approx([0.9, 0.729, 0.51759], abs=1e-6)
    assert ahead[:3] == pytest.approx([0.81, 0.5751, 0.327321], abs=1e-6)
    assert path[4] == pytest.approx(0.0845, abs=5e-5)  # printed with four decimals


# The forms differ in the eleventh decimal, so all twelve printed ones are compared.
def test_D9_adam_epsilon_inside():
    path, _ = descend(Adam(epsilon="inside"), [0.001] * 3)
    assert path == pytest.approx([0.999000000005, 0.998000026214, 0.997000096065], abs=6e-13)


def test_D9_adam_epsilon_outside():
    path, _ = descend(Adam(epsilon="outside"), [0.001] * 3)
    assert path == pytest.approx([0.999000000010, 0.998000026224, 0.997000096080], abs=6e-13)


def test_D9_adam_epsilon_hat():
    path, _ = descend(Adam(epsilon="hat"), [0.001] * 3)
    w, m, v, expected = 1.0, 0.0, 0.0, []
    for t in (1, 2, 3):
        m, v = 0.9 * m + 0.1 * w, 0.999 * v + 0.001 * w * w
        w -= 0.001 * (1 - 0.999**t) ** 0.5 / (1 - 0.9**t) * m / (v**0.5 + 1e-8)
        expected.append(w)
    assert path == pytest.approx(expected, abs=1e-14)


@pytest.mark.parametrize(
    ("epsilon", "eps", "step", "digits"),
    [
        ("inside", 1e-8, 9.9995e-6, 5e-10),
        ("outside", 1e-8, 9.9010e-4, 5e-9),
        ("hat", 1e-7, 2.40e-4, 5e-7),
    ],
)
def test_D9_first_step_for_a_gradient_as_small_as_epsilon(epsilon, eps, step, digits):
    optimizer, w = Adam(eps=eps, epsilon=epsilon), np.zeros(1)
    optimizer.update(w, np.full(1, 1e-6), optimizer.init(w), 1e-3, CTX)
    assert -w[0] == pytest.approx(step, abs=digits)


# --- F: initialization


def test_F1_zero_weights_keep_hidden_units_identical():
    data = regression(n=24, outputs=1)
    network = mlp(4, 1, activation=Sigmoid(), initializer=Zeros())
    record = Record()
    outcome = lone(learner(network, Sgd(0.5), steps=60, batch_size="all"), data, observers=[record])
    W, U = outcome.weights["hidden0"]["W"], outcome.weights["out"]["W"]
    assert W.any()
    assert np.abs(W - W[:, :1]).max() == 0
    assert np.abs(U - U[:1]).max() == 0
    trained = Record()
    lone(learner(mlp(4, 1, activation=Sigmoid()), Sgd(0.5), steps=60, batch_size="all"), data, observers=[trained])
    assert trained.column(0, "train/loss")[-1] < record.column(0, "train/loss")[-1]


def ten_layers(initializer, function):
    """The standard deviation behind ten layers of width 256; with these draws it has the digits of the notes."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((512, 256))
    for _ in range(10):
        x = function(x @ initializer(rng, (256, 256)))
    return x.std()


def relu(x):
    return np.maximum(x, 0)


@pytest.mark.parametrize(
    ("initializer", "function", "std", "digits"),
    [
        pytest.param(Normal(), relu, 2.08e10, 5e7, id="F2-normal-relu"),
        pytest.param(XavierNormal(), np.tanh, 0.2225, 5e-5, id="F4-xavier-tanh"),
        pytest.param(HeNormal(), relu, 0.604, 5e-4, id="F5-he-relu"),
        pytest.param(XavierNormal(), relu, 0.0189, 5e-5, id="F5-xavier-relu"),
        pytest.param(HeNormal(reading="literal"), relu, 112009, 0.5, id="E25-he-literal-relu"),
    ],
)
def test_F_activations_behind_ten_layers(initializer, function, std, digits):
    assert ten_layers(initializer, function) == pytest.approx(std, abs=digits)


@pytest.mark.parametrize(
    ("initializer", "variance"),
    [
        (Normal(0.5), 0.25),
        (LecunNormal(), 0.01),
        (XavierNormal(), 0.0133333),
        (HeNormal(), 0.02),
        (LecunUniform(), 0.01),
        (XavierUniform(), 0.0133333),
        (HeUniform(), 0.02),
        pytest.param(LecunNormal(reading="literal"), 0.1, id="E25-lecun"),
        pytest.param(XavierNormal(reading="literal"), 0.1154701, id="E25-xavier"),
        pytest.param(HeNormal(reading="literal"), 0.1414214, id="E25-he"),
        pytest.param(LecunUniform(reading="literal"), 0.0033333, id="E26-lecun"),
    ],
)
def test_F3_sample_variance(initializer, variance):
    W = initializer(np.random.default_rng(0), (1000, 1000), (100, 50))
    assert W.var() == pytest.approx(variance, rel=0.01)
    assert abs(W.mean()) < 4 * (variance / W.size) ** 0.5


def test_F3_fans_default_to_the_last_two_axes():
    for initializer in (LecunNormal(), XavierUniform(), HeNormal()):
        draws = [initializer(np.random.default_rng(0), (100, 50), fans) for fans in (None, (100, 50))]
        assert np.array_equal(*draws)


# --- H: regularization


def test_H1_loss_and_penalty_are_recorded_apart():
    data, record = regression(), Record()
    member = learner(mlp(4, 2), regularizers=[L2(0.1), L1(0.2)], batch_size="all", steps=1)
    lone(member, data, observers=[record])
    plain = Record()
    lone(replace(member, regularizers=()), data, observers=[plain])
    W = [p["W"] for p in member.network.init(0)[0].values() if p]
    penalty = sum(0.1 * (w**2).sum() + 0.2 * np.abs(w).sum() for w in W)
    assert record.column(0, "train/penalty")[0] == pytest.approx(penalty, abs=1e-12)
    assert record.column(0, "train/loss")[0] == plain.column(0, "train/loss")[0]


def test_H2_l1_subgradient_is_zero_at_zero():
    penalty, dW = L1(0.5)(np.array([[-2.0, 0.0, 3.0]]), CTX)
    assert penalty == 2.5
    assert np.array_equal(dW, [[-0.5, 0, 0.5]])


def linear_problem():
    """Two columns of six matter; the notes' sum of squares, a linear model, batch gradient descent."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((30, 6))
    y = x @ np.array([[1.0], [-2.0], [0], [0], [0], [0]]) + 0.1 * rng.standard_normal((30, 1))
    return x, y


def fitted(x, y, regularizer, steps=2000):
    network = mlp(1, features=x.shape[1], bias=False)
    member = learner(network, Sgd(0.005), MeanSquaredError("sum"), [regularizer], batch_size="all", steps=steps)
    return lone(member, points(x, y)).weights["out"]["W"]


def test_H2_proximal_l1_gives_exact_zeros():
    x, y = linear_problem()
    proximal, sub = fitted(x, y, L1(8.0, proximal=True)), fitted(x, y, L1(8.0))
    assert np.array_equal(proximal[:, 0] != 0, [True, True, False, False, False, False])
    assert sub.all()


def test_H2_proximal_l1_meets_the_optimality_condition():
    x, y = linear_problem()
    W = fitted(x, y, L1(8.0, proximal=True))
    slope = 2 * x.T @ (x @ W - y)
    assert np.abs(slope[:2] + 8 * np.sign(W[:2])).max() < 1e-6
    assert np.abs(slope[2:]).max() < 8


def test_H3_l2_gradient_has_the_factor_two():
    penalty, dW = L2(0.5)(np.array([[-2.0, 0.0, 3.0]]), CTX)
    assert penalty == 6.5
    assert np.array_equal(dW, [[-2, 0, 3]])


@pytest.mark.parametrize("strength", [0.1, 3.0])
def test_H3_ridge_closed_form(strength):
    x, y = linear_problem()
    closed = np.linalg.solve(x.T @ x + strength * np.eye(6), x.T @ y)
    assert np.abs(fitted(x, y, L2(strength)) - closed).max() < 1e-6


def test_H5_dropout_keeps_the_mean_and_scales_by_what_is_kept():
    x = np.ones((400, 500))
    for keep in (0.5, 0.8):
        y, _ = Dropout(keep).forward({}, x, Context(name="drop"))
        assert set(np.unique(y)) == {0.0, 1 / keep}
        assert abs(y.mean() - 1) < 3 * ((1 - keep) / keep / x.size) ** 0.5


def test_H5_dropout_is_the_identity_outside_training():
    x, layer, ctx = np.arange(6.0).reshape(2, 3), Dropout(0.3), Context(train=False)
    y, cache = layer.forward({}, x, ctx)
    assert np.array_equal(y, x)
    assert np.array_equal(layer.backward({}, cache, x, ctx)[0], x)


def test_H5_backward_uses_the_same_mask_and_each_step_a_new_one():
    x, layer, ctx = np.ones((20, 30)), Dropout(0.5), Context(name="drop")
    y, cache = layer.forward({}, x, ctx)
    assert np.array_equal(layer.backward({}, cache, x, ctx)[0], y)
    assert not np.array_equal(layer.forward({}, x, replace(ctx, step=1))[0], y)
    assert not np.array_equal(layer.forward({}, x, ctx.at("other"))[0], y)


def test_H6_early_stopping_with_patience():
    best = Best(EarlyStopping(patience=3), 1)
    stopped = None
    for epoch, value in enumerate([5, 4, 3, 3.1, 3.2, 3.3, 2], 1):
        best.update(np.array([value]), epoch)
        if best.exhausted()[0]:
            stopped = epoch
            break
    assert stopped == 6
    assert best.epoch[0] == 3
    assert best.value[0] == 3
