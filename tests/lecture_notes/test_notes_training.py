"""The lecture notes, sections 2.E, 2.F and 2.G: initialization (F), batch normalization (G), regularization (H).

A test is named after its row.
"""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
from configs import assembled
from networks import Record, backpropagate, differences, distance, learner, lone, mlp, points, regression

from framework import Context, Network
from framework.config.options import EarlyStopping
from framework.experiments.config_warnings import config_warnings
from framework.inference.evaluation import HeadMetric
from framework.training.early_stopping import BestTracker
from framework_activations.relu import Relu
from framework_activations.sigmoid import Sigmoid
from framework_activations.tanh import Tanh
from framework_initializers.he_normal import HeNormal
from framework_initializers.he_uniform import HeUniform
from framework_initializers.lecun_normal import LecunNormal
from framework_initializers.lecun_uniform import LecunUniform
from framework_initializers.normal import Normal
from framework_initializers.xavier_normal import XavierNormal
from framework_initializers.xavier_uniform import XavierUniform
from framework_initializers.zeros import Zeros
from framework_layers.activation import ActivationLayer
from framework_layers.batch_norm import BatchNorm
from framework_layers.conv2d import Conv2d
from framework_layers.dense import Dense
from framework_layers.dropout import Dropout
from framework_losses.mse import MeanSquaredError
from framework_optimizers.sgd import Sgd
from framework_regularizers.l1 import L1
from framework_regularizers.l2 import L2

CTX = Context()

# --- F: initialization


def test_F1_zero_weights_keep_hidden_units_identical():
    data = regression(n=24, outputs=1)
    network = mlp(4, 1, activation=Sigmoid(), initializer=Zeros())
    record = Record()
    outcome = lone(learner(network, Sgd(0.5), steps=60, batch_size="all"), data, callbacks=[record])
    W, U = outcome.weights["hidden0"]["W"], outcome.weights["out"]["W"]
    assert W.any()
    assert np.abs(W - W[:, :1]).max() == 0
    assert np.abs(U - U[:1]).max() == 0
    trained = Record()
    lone(learner(mlp(4, 1, activation=Sigmoid()), Sgd(0.5), steps=60, batch_size="all"), data, callbacks=[trained])
    assert trained.column(0, "train/loss")[-1] < record.column(0, "train/loss")[-1]


def ten_layers(initializer, activation):
    """What leaves ten layers of width 256; with these draws its standard deviation has the digits of the notes."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((512, 256))
    for _ in range(10):
        x, _ = activation.forward(x @ initializer(rng, (256, 256)), CTX)
    return x


def test_F2_standard_normal_weights_blow_up_behind_relu_and_saturate_tanh():
    assert ten_layers(Normal(), Relu()).std() == pytest.approx(2.08e10, abs=5e7)  # half of the last printed digit, as below
    assert (np.abs(ten_layers(Normal(), Tanh())) > 0.99).mean() > 0.8


def test_F4_xavier_behind_ten_tanh_layers():
    assert ten_layers(XavierNormal(), Tanh()).std() == pytest.approx(0.2225, abs=5e-5)


def test_F5_he_and_xavier_behind_ten_relu_layers():
    assert ten_layers(HeNormal(), Relu()).std() == pytest.approx(0.604, abs=5e-4)
    assert ten_layers(XavierNormal(), Relu()).std() == pytest.approx(0.0189, abs=5e-5)


def assert_variance(initializer, variance):
    """A million draws for 100 inputs and 50 outputs: within 1 %, and around 0 within four standard errors."""
    W = initializer(np.random.default_rng(0), (1000, 1000), (100, 50))
    assert W.var() == pytest.approx(variance, rel=0.01)
    assert abs(W.mean()) < 4 * (variance / W.size) ** 0.5


@pytest.mark.parametrize("std", [1.0, 0.5])
def test_F2_normal_variance(std):
    assert_variance(Normal(std), std**2)


@pytest.mark.parametrize("initializer", [LecunNormal(), LecunUniform()])
def test_F3_lecun_variance_is_1_over_n_in(initializer):
    assert_variance(initializer, 0.01)


@pytest.mark.parametrize("initializer", [XavierNormal(), XavierUniform()])
def test_F4_xavier_variance_is_2_over_n_in_plus_n_out(initializer):
    assert_variance(initializer, 2 / 150)


@pytest.mark.parametrize("initializer", [HeNormal(), HeUniform()])
def test_F5_he_variance_is_2_over_n_in(initializer):
    assert_variance(initializer, 0.02)


@pytest.mark.parametrize(
    ("initializer", "bound"),
    [(LecunUniform(), (3 / 100) ** 0.5), (XavierUniform(), (6 / 150) ** 0.5), (HeUniform(), (6 / 100) ** 0.5)],
    ids=["F3", "F4", "F5"],
)
def test_F3_F4_F5_uniform_draws_fill_their_bounds(initializer, bound):
    W = initializer(np.random.default_rng(0), (300, 300), (100, 50))
    assert 0.999 * bound < np.abs(W).max() <= bound


def test_F3_fans_default_to_the_last_two_axes():
    for initializer in (LecunNormal(), XavierUniform(), HeNormal()):
        draws = [initializer(np.random.default_rng(0), (100, 50), fans) for fans in (None, (100, 50))]
        assert np.array_equal(*draws)


def test_F7_what_a_forget_gate_keeps_of_a_gradient():
    for bias, ten, twenty in ((0, 9.8e-4, 1e-6), (1, 0.0436, 0.0019), (2, 0.2810, 0.0790), (5, 0.9351, 0.8743)):
        gate = Sigmoid().forward(np.array([float(bias)]), CTX)[0][0]
        assert gate**10 == pytest.approx(ten, rel=5e-3)  # printed with two to four digits
        assert gate**20 == pytest.approx(twenty, rel=5e-2)


def test_F8_fans_of_a_kernel_are_its_receptive_field_times_its_channels():
    asked = []

    class Spy:
        def __call__(self, rng, shape, fans=None):
            asked.append((shape, fans))
            return np.zeros(shape)

    Conv2d(8, 3, initializer=Spy()).init(np.random.default_rng(0), (4, 6, 6))
    assert asked == [((36, 8), (36, 72))]


# --- G: batch normalization

X = np.random.default_rng(0).standard_normal((64, 3)) * [1, 5, 0.1] + [0, 3, -2]


def normalised(x, ctx=CTX, **tensors):
    """Output, tensors and cache of a layer whose tensors begin as they do, but for these."""
    layer = BatchNorm()
    p, _ = layer.init(np.random.default_rng(0), x.shape[1:])
    p.update({name: np.asarray(a, float)[None] for name, a in tensors.items()})
    y, cache = layer.forward(p, x, ctx)
    return y, p, cache


def test_G1_the_batch_has_mean_0_and_variance_var_over_var_plus_eps():
    y, var = normalised(X)[0], X.var(0)  # the biased variance, 1/m
    assert y.mean(0) == pytest.approx(np.zeros(3), abs=1e-12)
    assert y.var(0) == pytest.approx(var / (var + 1e-5), abs=1e-14)


def test_G1_the_gradient_goes_through_the_mean_and_the_variance_too():
    x, dy = X[:6].copy(), np.random.default_rng(1).standard_normal((6, 3))
    tensors = {"gamma": [2.0, -1, 0.5], "beta": [1.0, 0, -1]}
    _, p, cache = normalised(x, **tensors)
    dx, _ = BatchNorm().backward(p, cache, dy, CTX)
    assert np.abs(dx - differences(lambda: float((normalised(x, **tensors)[0] * dy).sum()), x)).max() < 1e-6


def test_G2_a_bias_before_batch_normalization_has_no_gradient():
    nodes = {"dense": Dense(4), "norm": BatchNorm(), "act": ActivationLayer(Relu()), "out": Dense(1)}
    network = Network(nodes, {"x": (3,)})
    batch = {"x": X, "y": np.ones((64, 1))}
    _, _, g, _ = backpropagate(network, learner(network).heads, network.init(0)[0], batch)
    assert np.abs(g["dense"]["b"]).max() < 1e-10
    assert np.abs(g["dense"]["W"]).max() > 1e-3


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, ["hidden has a bias without effect"]),
        ({"model/layers/hidden/bias": False}, []),
        ({"model/layers/norm/after": "act"}, []),
    ],
)
def test_G2_a_bias_before_batch_normalization_is_pointed_out(changes, found):
    changes = {"model/layers/norm": {"type": "batch_norm", "after": "hidden"}} | changes
    lines = config_warnings(assembled(json.dumps(changes)))
    assert [line.removeprefix("model.layers: ").split(",")[0] for line in lines] == found


def test_G3_gamma_and_beta_can_undo_it():
    y, _, _ = normalised(X, gamma=np.sqrt(X.var(0) + 1e-5), beta=X.mean(0))
    assert y == pytest.approx(X, abs=1e-12)


def test_G4_it_may_stand_before_the_non_linearity_or_behind():
    for order in (("norm", "act"), ("act", "norm")):
        parts = {"norm": BatchNorm(), "act": ActivationLayer(Tanh())}
        network = Network({"dense": Dense(4), **{name: parts[name] for name in order}, "out": Dense(2)}, {"x": (3,)})
        assert lone(learner(network, epochs=2), regression()).status == "finished"


def test_G6_running_statistics_are_moving_averages_of_those_of_the_batches():
    _, p, cache = normalised(X, mean=[1, 1, 1], var=[4, 4, 4])
    moved = BatchNorm(momentum=0.9).updates(p, cache, CTX)
    assert moved["mean"][0] == pytest.approx(0.9 + 0.1 * X.mean(0), abs=1e-14)
    assert moved["var"][0] == pytest.approx(0.9 * 4 + 0.1 * X.var(0), abs=1e-14)


def test_G6_outside_training_the_buffers_stand_for_the_batch():
    y, _, _ = normalised(X, Context(train=False), mean=[1, 1, 1], var=[4, 4, 4])
    assert y == pytest.approx((X - 1) / np.sqrt(4 + 1e-5), abs=1e-14)


# --- H: regularization


def test_H1_loss_and_penalty_are_recorded_apart():
    data, record = regression(), Record()
    member = learner(mlp(4, 2), regularizers=[L2(0.1), L1(0.2)], batch_size="all", steps=1)
    lone(member, data, callbacks=[record])
    plain = Record()
    lone(replace(member, regularizers=()), data, callbacks=[plain])
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


def test_H2_with_a_feature_twice_l1_has_many_solutions_and_l2_one():
    x, y = linear_problem()
    x = x[:, [0, 0, 1]]

    def solutions(regularizer):
        network = mlp(1, features=3, bias=False)
        member = learner(network, Sgd(0.002), MeanSquaredError("sum"), [regularizer], batch_size="all", steps=1500)
        return np.stack([lone(member, points(x, y), key).weights["out"]["W"][:, 0] for key in (0, 1)])

    def objective(w):
        return ((x @ w - y[:, 0]) ** 2).sum() + 2 * np.abs(w).sum()

    lasso, ridge = solutions(L1(2.0, proximal=True)), solutions(L2(5.0))
    assert np.abs(lasso[0] - lasso[1]).max() > 0.1
    assert objective(lasso[0]) == pytest.approx(objective(lasso[1]), abs=1e-9)
    assert lasso[0][:2].sum() == pytest.approx(lasso[1][:2].sum(), abs=1e-9)
    assert ridge[0] == pytest.approx(ridge[1], abs=1e-9)
    assert ridge[0][0] == pytest.approx(ridge[0][1], abs=1e-9)


def test_H3_the_weight_decay_of_other_libraries_is_half_of_it():
    W = np.array([[1.0, -2.0]])
    notes, decay = (L2(0.1, form)(W, CTX) for form in ("notes", "decay"))
    assert (notes[0], decay[0]) == pytest.approx((0.5, 0.25))
    assert notes[1].tolist() == [[0.2, -0.4]]
    assert decay[1].tolist() == [[0.1, -0.2]]


def test_H3_l2_gradient_has_the_factor_two():
    penalty, dW = L2(0.5)(np.array([[-2.0, 0.0, 3.0]]), CTX)
    assert penalty == 6.5
    assert np.array_equal(dW, [[-2, 0, 3]])


@pytest.mark.parametrize("factor", [1, 2, 10])
def test_H3_large_weights_amplify_a_change_of_the_input(factor):
    network, x = mlp(5, 5, 1, activation=Relu()), np.random.default_rng(0).standard_normal((1, 3))
    p = {name: {t: factor * a for t, a in tensors.items()} for name, tensors in network.init(0)[0].items()}
    changed = x + 1e-4 * np.random.default_rng(1).standard_normal((8, 3))
    y, z = (network.forward(p, Context(batch={"x": a}))[0]["out"] for a in (x, changed))
    small, _ = mlp(5, 5, 1, activation=Relu()).init(0)
    y1, z1 = (network.forward(small, Context(batch={"x": a}))[0]["out"] for a in (x, changed))
    assert z - y == pytest.approx(factor**3 * (z1 - y1), rel=1e-6)  # three layers, and biases that start at 0
    assert np.abs(z1 - y1).max() > 0


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


def test_H5_one_mask_through_time():
    x, layer, ctx = np.ones((7, 20, 30)), Dropout(0.5, through_time=True), Context(name="drop")
    y, cache = layer.forward({}, x, ctx)
    assert np.array_equal(y, np.broadcast_to(y[:1], y.shape))
    assert 0.4 < (y[0] > 0).mean() < 0.6
    assert np.array_equal(layer.backward({}, cache, x, ctx)[0], y)
    each = Dropout(0.5).forward({}, x, ctx)[0]
    assert not np.array_equal(each[0], each[1])
    with pytest.raises(ValueError, match="no time axis"):
        layer.init(np.random.default_rng(0), (4,))


def test_H5_the_probability_may_differ_by_layer():
    nodes = {"a": Dropout(0.9), "b": Dropout(0.3)}
    values, _ = Network(nodes, {"x": (500,)}).forward({"a": {}, "b": {}}, Context(batch={"x": np.ones((400, 500))}))
    for node, kept in (("a", 0.9), ("b", 0.9 * 0.3)):
        assert abs((values[node] != 0).mean() - kept) < 3 * (kept * (1 - kept) / 200_000) ** 0.5


SERIES = (5, 4, 3, 3.1, 3.2, 3.3, 2)


def test_H6_with_patience_3_it_stops_after_epoch_6():
    best = BestTracker(EarlyStopping(patience=3), 1)
    stopped = None
    for epoch, value in enumerate(SERIES, 1):
        best.update(np.array([value]), epoch)
        if best.exhausted()[0]:
            stopped = epoch
            break
    assert stopped == 6
    assert best.epoch[0] == 3
    assert best.value[0] == 3


@dataclass(frozen=True)
class Scripted:
    """A metric with the values of SERIES, one per epoch of one step."""

    lower_is_better = True

    def count(self, y, t, ctx, mask=None):
        return np.full((*ctx.replicas, 1), SERIES[ctx.step - 1])

    def value(self, counts):
        return counts[..., 0]


def test_H6_a_training_goes_back_to_the_weights_of_epoch_3():
    data = regression(n=20, val=10)

    def trained(epochs, **options):
        member = learner(mlp(4, 2), Sgd(0.1), epochs=epochs, batch_size="all", train_metrics=False, **options)
        return lone(replace(member, measures={"script": HeadMetric(Scripted(), "loss")}), data)

    stopped = trained(7, early_stopping=EarlyStopping(patience=3, monitor="val/script"))
    assert (stopped.status, stopped.epoch, stopped.best_epoch, stopped.best) == ("stopped_early", 6, 3, 3)
    assert distance(stopped, trained(3)) == 0
    assert distance(stopped, trained(6)) > 0
