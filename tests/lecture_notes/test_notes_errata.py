"""The slips of the lecture notes: the numbers of docs/lecture-notes/errata.md. A test is named after its erratum."""

import re
from pathlib import Path

import numpy as np
import pytest
from networks import differences, mlp

from framework import Context, Network, Node, discover
from framework.core.validation import Validator
from framework_activations.sigmoid import Sigmoid
from framework_activations.softmax import Softmax
from framework_activations.tanh import Tanh
from framework_initializers.he_normal import HeNormal
from framework_initializers.he_uniform import HeUniform
from framework_initializers.lecun_normal import LecunNormal
from framework_initializers.lecun_uniform import LecunUniform
from framework_initializers.normal import Normal
from framework_initializers.xavier_normal import XavierNormal
from framework_initializers.xavier_uniform import XavierUniform
from framework_layers.activation import ActivationLayer
from framework_layers.batch_norm import BatchNorm
from framework_layers.dense import Dense
from framework_layers.dropout import Dropout
from framework_losses.half_squared_error import HalfSquaredError
from framework_losses.mse import MeanSquaredError
from framework_losses.softmax_cross_entropy import SoftmaxCrossEntropy
from framework_optimizers.adadelta import Adadelta
from framework_optimizers.sgd import Sgd
from framework_regularizers.l1 import L1

CTX = Context()
PAGE = (Path(__file__).parents[2] / "docs" / "lecture-notes" / "errata.md").read_text()


def value(activation, *x):
    return activation.forward(np.array([x], float), CTX)[0][0]


def test_every_erratum_has_one_line():
    assert sorted(re.findall(r"\bE(\d+) (?=\|)", PAGE), key=int) == [str(i) for i in range(1, 28)]


def test_every_choice_that_the_page_names_exists():
    told = re.findall(r"`(\w+)=(\w+) \1\.(\w+)=(\S+)`", PAGE)
    assert len(told) >= 16
    for group, name, option, word in told:
        read = {"true": True, "0": 0, "0.001": 0.001}.get(word, word)
        judge = Validator(discover(), {})
        judge.component(group, {"type": name, option: read}, group)
        assert not judge.errors


def scorer():
    """s = U^T sigmoid(x W + b) of the true window and of the corrupt one: 20 inputs, 8 units, shared weights."""
    nodes = {
        "hidden": Node(Dense(8), "x"),
        "act": ActivationLayer(Sigmoid()),
        "s": Dense(1, bias=False),
        "hidden_c": Node(Dense(8), "corrupt", share="hidden"),
        "act_c": ActivationLayer(Sigmoid()),
        "s_c": Node(Dense(1, bias=False), share="s"),
    }
    return Network(nodes, {"x": (20,), "corrupt": (20,)})


def test_E1_the_gradient_of_the_margin_has_a_minus_for_the_true_window():
    network, rng = scorer(), np.random.default_rng(0)
    batch = {"x": rng.standard_normal((1, 20)), "corrupt": rng.standard_normal((1, 20))}
    p, ctx = network.init(0)[0], Context(batch=batch)

    def margin():  # J = 1 + s_c - s, while it is above 0
        values, _ = network.forward(p, ctx)
        return float(1 + values["s_c"][0, 0] - values["s"][0, 0])

    values, caches = network.forward(p, ctx)
    g = network.arena(p).views(np.zeros(176))
    network.backward(p, caches, {"s": -np.ones((1, 1)), "s_c": np.ones((1, 1))}, g, ctx)
    numeric = differences(margin, p["hidden"]["W"])
    assert margin() > 0
    assert np.abs(g["hidden"]["W"] - numeric).max() < 1e-9
    delta, delta_c = (p["s"]["W"].T * values[a] * (1 - values[a]) for a in ("act", "act_c"))
    true, corrupt = batch["x"].T @ delta, batch["corrupt"].T @ delta_c
    assert np.abs(-true + corrupt - numeric).max() < 1e-9
    assert np.abs(true + corrupt - numeric).max() > 0.5  # as printed


def test_E2_i_counts_the_two_hidden_units_and_j_the_four_inputs():
    p, out = Dense(2).init(np.random.default_rng(0), (4,))
    assert (p["W"].T.shape, p["b"].shape, out) == ((2, 4), (1, 2), (2,))


def test_E5_with_the_index_as_printed_every_probability_is_1_over_n():
    y = np.array([1.0, 2, 3])
    printed = [np.exp(y[j]) / sum(np.exp(y[j]) for _ in y) for j in range(3)]
    assert printed == pytest.approx([1 / 3] * 3)
    assert value(Softmax(), *y) == pytest.approx([0.090031, 0.244728, 0.665241], abs=1e-6)


def test_E10_the_printed_quotient_is_the_probability_of_the_other_class():
    p = value(Softmax(), 0, 2)
    assert p == pytest.approx([0.119203, 0.880797], abs=1e-6)
    assert value(Sigmoid(), 2.0)[0] == pytest.approx(p[1], abs=1e-15)
    assert 1 / (1 + np.exp(2)) == pytest.approx(p[0], abs=1e-15)  # as printed


@pytest.mark.parametrize(
    ("normalize", "golden"),
    [
        ("max", [0.090031, 0.244728, 0.665241]),
        ("standard", [0.062556, 0.212896, 0.724548]),
        ("minmax", [0.186324, 0.307196, 0.506480]),
    ],
)
def test_E11_standardising_and_scaling_change_the_probabilities(normalize, golden):
    assert value(Softmax(normalize), 1, 2, 3) == pytest.approx(golden, abs=1e-6)


def test_E11_an_outlier_loses_a_quarter_of_its_probability():
    assert value(Softmax(), 1, 2, 3, 10)[3] == pytest.approx(0.998631, abs=1e-6)
    assert value(Softmax("standard"), 1, 2, 3, 10)[3] == pytest.approx(0.757246, abs=1e-6)


def test_E11_large_inputs_need_the_maximum_subtracted_and_equal_ones_divide_by_0():
    with np.errstate(all="ignore"):
        assert np.isnan(value(Softmax("none"), 1000, 1001, 1002)).all()
        assert np.isnan(value(Softmax("standard"), 2, 2, 2)).all()
        assert np.isnan(value(Softmax("minmax"), 2, 2, 2)).all()
    assert value(Softmax(), 1000, 1001, 1002) == pytest.approx(value(Softmax(), 1, 2, 3), abs=1e-15)


def test_E12_the_boxed_rule_climbs():
    w, x, y = np.array([[0.5]]), np.array([[2.0]]), np.array([[3.0]])
    loss, dy = HalfSquaredError()(x @ w, y, CTX)
    _, g = Dense(1, bias=False).backward({"W": w}, x, dy, CTX)
    after = w.copy()
    Sgd().update(after, g["W"], {}, 0.1, CTX)
    assert (after - w)[0, 0] == pytest.approx(0.4, abs=1e-15)
    boxed = w + 0.1 * (x @ w - y) * x
    assert (boxed - w)[0, 0] == pytest.approx(-0.4, abs=1e-15)
    assert HalfSquaredError()(x @ after, y, CTX)[0] < loss < HalfSquaredError()(x @ boxed, y, CTX)[0]


def test_E13_the_prediction_comes_first_and_the_target_second():
    for loss in (HalfSquaredError(), MeanSquaredError()):
        (J, dy), (swapped, other) = (loss(np.array([[a]]), np.array([[b]]), CTX) for a, b in ((1.0, 3.0), (3.0, 1.0)))
        assert swapped == J  # the value does not tell them apart,
        assert dy[0, 0] == -other[0, 0] < 0  # the gradient does: the output has to rise to its target


def test_E15_squared_error_behind_softmax_saturates():
    y, label = np.array([[10.0, 0.0]]), np.array([[0.0, 1.0]])
    p, cache = Softmax().forward(y, CTX)
    squared = Softmax().backward(cache, 2 * (p - label), CTX)  # of sum (p - t)^2, as the notes have it
    _, crossed = SoftmaxCrossEntropy()(y, label, CTX)
    assert squared[0, 0] == pytest.approx(1.816e-4, abs=5e-8)
    assert crossed[0, 0] == pytest.approx(0.999955, abs=5e-7)


def test_E16_a_third_of_standard_normal_weights_is_larger_than_1():
    W = Normal()(np.random.default_rng(0), (1000, 1000))
    assert (np.abs(W) > 1).mean() == pytest.approx(0.317, abs=0.002)
    y, cache = Sigmoid().forward(np.linspace(-5, 5, 101)[None], CTX)
    assert Sigmoid().backward(cache, np.ones_like(y), CTX).max() == 0.25


def test_E17_E18_variance_is_the_mean_of_the_square_less_the_square_of_the_mean():
    predictions = np.random.default_rng(0).normal(0.3, 2.0, (50, 7))  # of 50 training sets at 7 points
    mu = predictions.mean(0)
    assert (predictions**2).mean(0) - mu**2 == pytest.approx(((predictions - mu) ** 2).mean(0), abs=1e-12)
    bias2, variance = (mu - 1) ** 2, predictions.var(0)
    assert ((predictions - 1) ** 2).mean(0) == pytest.approx(bias2 + variance, abs=1e-12)


# The weather example of the slides.
WHX = np.array([[0.28, 0.84, 0.57, 0.48], [0.90, 0.87, 0.69, 0.18], [0.53, 0.09, 0.55, 0.49]])
WHH = np.array([[0.41, 0.12, 0.13], [0.51, 0.24, 0.26], [0.61, 0.34, 0.36]])
WHY = np.array([[0.37, 0.97, 0.83], [0.39, 0.28, 0.65], [0.64, 0.19, 0.33], [0.91, 0.32, 0.14]])


def weather():
    """h_2 and y_2, from the first input S and the first state; y = Why h is a dense layer without bias."""
    p = {"W": np.concatenate([WHX, WHH], 1).T, "b": np.array([[0.51, 0.62, 0.73]])}
    z, _ = Dense(3).forward(p, np.array([[1, 0, 0, 0, 0.11, 0.21, 0.31]]), CTX)
    h = value(Tanh(), *z[0])
    return h, output(h)


def output(h):
    return Dense(4, bias=False).forward({"W": WHY.T}, np.array([h]), CTX)[0][0]


def test_E19_the_recalled_state_is_not_the_one_that_gives_the_printed_output():
    h, y = weather()
    assert h == pytest.approx([0.7166, 0.9363, 0.9070], abs=5e-5)
    assert y == pytest.approx([1.9261, 1.1312, 0.9358, 1.0787], abs=5e-5)
    assert output([0.7002, 0.9321, 0.9009]) == pytest.approx([1.9110, 1.1197, 0.9225, 1.0616], abs=5e-5)  # as recalled


def test_E20_the_softmax_of_the_slide_is_that_of_step_2():
    assert value(Softmax(), *weather()[1])[0] == pytest.approx(0.4441, abs=5e-5)


def test_E21_rounded_states_give_the_other_last_digit():
    h, y = weather()
    assert y[0] == pytest.approx(1.926114, abs=1e-6)
    assert output(h.round(4))[0] == pytest.approx(1.926163, abs=1e-6)


def test_E23_a_cell_may_grow_by_1_per_step():
    assert 10 * value(Tanh(), 5.0)[0] == pytest.approx(9.9991, abs=5e-5)
    h = value(Sigmoid(), -40.0, 40.0, 40.0) * value(Tanh(), 3.0, -9.9991, 9.9991)
    assert np.abs(h).max() <= 1
    assert h.min() < 0


def test_E24_without_1_over_n_it_is_the_sum_of_squared_errors():
    rng = np.random.default_rng(0)
    y, t = rng.standard_normal((2, 5, 1))
    mean, total, half = (
        loss(y, t, CTX)[0] for loss in (MeanSquaredError(), MeanSquaredError("sum"), HalfSquaredError("sum"))
    )
    assert [total, 5 * mean, 2 * half] == pytest.approx([((y - t) ** 2).sum()] * 3, abs=1e-14)


@pytest.mark.parametrize(
    ("initializer", "right", "literal"),
    [(LecunNormal, 0.01, 0.1), (XavierNormal, 0.01333, 0.1155), (HeNormal, 0.02, 0.1414)],
)
def test_E25_a_standard_deviation_read_as_a_variance(initializer, right, literal):
    for reading, variance in (("std", right), ("literal", literal)):
        W = initializer(reading=reading)(np.random.default_rng(0), (1000, 1000), (100, 50))
        assert W.var() == pytest.approx(variance, rel=0.01)


@pytest.mark.parametrize(("reading", "std", "digits"), [("std", 0.604, 5e-4), ("literal", 112009, 0.5)])
def test_E25_ten_relu_layers_of_256_units(reading, std, digits):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((512, 256))
    for _ in range(10):
        x = np.maximum(x @ HeNormal(reading=reading)(rng, (256, 256)), 0)
    assert x.std() == pytest.approx(std, abs=digits)


@pytest.mark.parametrize(
    ("initializer", "variance"),
    [
        (LecunUniform(), 0.01),
        (LecunUniform(reading="literal"), 0.003333),
        (XavierUniform(), 0.013333),
        (HeUniform(), 0.02),
    ],
)
def test_E26_the_bound_of_lecun_uniform_needs_a_root_of_3(initializer, variance):
    W = initializer(np.random.default_rng(0), (1000, 1000), (100, 50))
    assert W.var() == pytest.approx(variance, rel=0.01)


def test_small_slips_tanh_variance_l1_and_dropout():
    assert [value(Tanh(), 0.7)[0], 2 * value(Sigmoid(), 1.4)[0] - 1] == pytest.approx([0.604368] * 2, abs=1e-6)
    x = np.random.default_rng(0).normal(3.0, 1.0, (50, 1))
    _, (_, _, mu, var) = BatchNorm().forward(BatchNorm().init(np.random.default_rng(0), (1,))[0], x, CTX)
    assert var[0, 0] == pytest.approx((x**2).mean() - mu[0, 0] ** 2, abs=1e-12)
    assert L1(1.0)(np.array([[2.0, -2.0]]), CTX)[0] == 4  # not 0, the sum of the weights
    kept = Dropout(0.8).forward({}, np.ones((100, 100)), CTX)[0] != 0
    assert kept.mean() == pytest.approx(0.8, abs=0.02)


def test_parameters_grow_linearly_with_the_hidden_layers():
    def parameters(layers, units=10):
        return sum(a.size for p in mlp(*[units] * layers, 2, features=10).init(0)[0].values() for a in p.values())

    assert [parameters(layers + 1) - parameters(layers) for layers in (1, 2, 5, 20)] == [10 * 10 + 10] * 4
    assert parameters(2, units=20) - parameters(1, units=20) == 20 * 20 + 20  # quadratic in the width


def test_adadelta_with_the_rate_1_has_none():
    w = np.zeros(1)
    Adadelta().update(w, np.ones(1), Adadelta().init(w), Adadelta().lr, CTX)
    assert w[0] == pytest.approx(-((1e-6 / (0.1 + 1e-6)) ** 0.5), abs=1e-15)
