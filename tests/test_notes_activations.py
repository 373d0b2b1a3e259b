"""The numbers of the lecture notes: losses (B), activations and softmax (C), and the errata among them."""

import numpy as np
import pytest

from framework import Context
from framework_activations.linear import Linear
from framework_activations.relu import Relu
from framework_activations.sigmoid import Sigmoid
from framework_activations.tanh import Tanh
from framework_initializers.normal import Normal
from framework_initializers.xavier_normal import XavierNormal
from framework_layers.dense import Dense
from framework_losses.binary_cross_entropy import BinaryCrossEntropy
from framework_losses.half_squared_error import HalfSquaredError
from framework_losses.mse import MeanSquaredError
from framework_losses.softmax_cross_entropy import SoftmaxCrossEntropy

CTX = Context()
GOLDEN = 1e-6


def near(a, b, tolerance=GOLDEN):
    return np.abs(np.asarray(a) - np.asarray(b)).max() < tolerance


def slope(activation, x):
    _, cache = activation.forward(np.asarray(x, float), CTX)
    return activation.backward(cache, np.ones(np.shape(x)), CTX)


def value(activation, x):
    return activation.forward(np.asarray(x, float), CTX)[0]


def test_B1_squared_error_saturates_behind_a_sigmoid():
    z, t = np.array([[-10.0]]), np.array([[1.0]])
    s, cache = Sigmoid().forward(z, CTX)
    assert near(MeanSquaredError()(s, t, CTX)[0], (s - t) ** 2, 1e-15)
    through_mse = Sigmoid().backward(cache, MeanSquaredError()(s, t, CTX)[1], CTX)
    assert near(through_mse, -9.079e-5, 5e-9)  # printed with four digits
    assert near(BinaryCrossEntropy()(z, t, CTX)[1], -0.999955)


def test_B3_softmax_cross_entropy_gradient_is_p_minus_t():
    rng = np.random.default_rng(0)
    y, labels = rng.standard_normal((1, 4)), np.array([2])
    p = SoftmaxCrossEntropy().predict(y, CTX)
    one_hot, soft = np.eye(4)[labels], np.array([[0.1, 0.2, 0.3, 0.4]])
    for t, probabilities in ((labels, one_hot), (one_hot, one_hot), (soft, soft)):
        loss, dy = SoftmaxCrossEntropy()(y, t, CTX)
        assert loss == pytest.approx(-(probabilities * np.log(p)).sum(), abs=1e-12)
        assert near(dy, p - probabilities, 1e-15)


def test_B4_binary_cross_entropy_is_two_class_softmax():
    z, t = np.array([[-3.0], [0.2], [1.7]]), np.array([0, 1, 1])
    two = np.concatenate([np.zeros_like(z), z], 1)
    binary, dz = BinaryCrossEntropy()(z, t, CTX)
    softmax, dy = SoftmaxCrossEntropy()(two, t, CTX)
    assert binary == pytest.approx(softmax, abs=1e-14)
    assert near(dz[:, 0], dy[:, 1], 1e-15)


def test_B5_confident_and_wrong():
    logits = np.log([[1e-6, 1 - 1e-6]])
    assert near(SoftmaxCrossEntropy()(logits, np.array([0]), CTX)[0], 13.8155, 5e-5)  # printed with four decimals
    assert near(BinaryCrossEntropy()(np.log([[1e-6 / (1 - 1e-6)]]), np.array([1]), CTX)[0], 13.8155, 5e-5)


@pytest.mark.parametrize("loss", [HalfSquaredError, MeanSquaredError, BinaryCrossEntropy])
def test_B8_sequence_loss_is_the_sum_over_time(loss):
    rng = np.random.default_rng(0)
    y, t = rng.standard_normal((4, 3, 2)), rng.integers(0, 2, (4, 3, 2)).astype(float)
    total, dy = loss("sum_over_time")(y, t, CTX)
    steps = [loss()(y[i], t[i], CTX) for i in range(4)]
    assert total == pytest.approx(sum(step[0] for step in steps), abs=1e-12)
    assert near(dy, np.stack([step[1] for step in steps]), 1e-15)


def test_B8_padding_counts_for_nothing():
    rng = np.random.default_rng(0)
    y, t, mask = rng.standard_normal((4, 1, 5)), rng.integers(0, 5, (4, 1)), np.array([[1.0], [1], [0], [0]])
    for reduction in ("mean", "sum", "sum_over_time"):
        loss = SoftmaxCrossEntropy(reduction)
        padded, dy = loss(y, t, CTX, mask)
        short, dy_short = loss(y[:2], t[:2], CTX)
        assert padded == pytest.approx(short, abs=1e-12)
        assert near(dy[:2], dy_short, 1e-15)
        assert not dy[2:].any()


def test_C1_sigmoid():
    x = np.linspace(-4, 4, 81)
    y = value(Sigmoid(), x)
    assert near(y, 1 / (1 + np.exp(-x)), 1e-15)
    assert near(slope(Sigmoid(), x), y * (1 - y), 1e-15)
    assert slope(Sigmoid(), x).max() == slope(Sigmoid(), 0.0) == 0.25


@pytest.mark.parametrize("activation", [Sigmoid(), Tanh(), Relu(), Linear()], ids=lambda a: type(a).__name__)
def test_C1_activations_are_stable_for_1000(activation):
    x = np.array([-1000.0, 1000.0])
    assert np.isfinite(value(activation, x)).all()
    assert np.isfinite(slope(activation, x)).all()


def test_C1_sigmoid_limits():
    assert np.array_equal(value(Sigmoid(), [-1000, 1000]), [0, 1])


@pytest.mark.parametrize("loss", [SoftmaxCrossEntropy(), BinaryCrossEntropy()], ids=lambda a: type(a).__name__)
def test_C1_losses_are_stable_for_1000(loss):
    y = np.array([[1000.0, -1000.0], [-1000.0, 1000.0]])
    J, dy = loss(y, np.eye(2)[::-1], CTX)
    assert np.isfinite(J)
    assert np.isfinite(dy).all()
    assert loss(y, np.eye(2), CTX)[0] == 0


def test_C2_tanh_is_a_sigmoid():
    assert near(value(Tanh(), 0.7), 0.604368)
    assert near(2 * value(Sigmoid(), 1.4) - 1, 0.604368)
    x = np.linspace(-3, 3, 61)
    assert near(value(Tanh(), x), 2 * value(Sigmoid(), 2 * x) - 1, 1e-15)
    assert near(slope(Tanh(), x), 4 / (np.exp(x) + np.exp(-x)) ** 2, 1e-15)
    assert slope(Tanh(), 0.0) == 1 == 4 * slope(Sigmoid(), 0.0)


def test_C3_relu_and_its_derivative_at_zero():
    x = [-2.0, 0.0, 3.0]
    assert np.array_equal(value(Relu(), x), [0, 0, 3])
    assert np.array_equal(slope(Relu(), x), [0, 1, 1])
    assert np.array_equal(slope(Relu(at_zero=0), x), [0, 0, 1])


def test_C6_E11_softmax_numbers():
    softmax = SoftmaxCrossEntropy().predict
    expected = [0.090031, 0.244728, 0.665241]
    assert near(softmax(np.array([[1.0, 2, 3]]), CTX), expected)
    assert near(softmax(np.array([[1000.0, 1001, 1002]]), CTX), expected)
    assert near(softmax(np.array([[1.0, 2, 3, 10]]), CTX).max(), 0.998631)


def test_C6_softmax_sums_to_one_and_ignores_shifts():
    y = np.random.default_rng(0).standard_normal((6, 5))
    p = SoftmaxCrossEntropy().predict(y, CTX)
    assert near(p.sum(-1), 1, 1e-15)
    assert near(SoftmaxCrossEntropy().predict(y + 123.25, CTX), p, 1e-14)


def test_C8_E10_sigmoid_is_two_class_softmax():
    p = SoftmaxCrossEntropy().predict(np.array([[0.0, 2.0]]), CTX)
    assert near(p, [[0.119203, 0.880797]])
    assert p[0, 1] == pytest.approx(float(value(Sigmoid(), 2.0)), abs=1e-15)
    assert p[0, 1] == pytest.approx(float(BinaryCrossEntropy().predict(np.array([[2.0]]), CTX)[0, 0]), abs=1e-15)


def test_C9_linear_output_is_the_identity():
    x = np.linspace(-3, 3, 7)
    assert np.array_equal(value(Linear(), x), x)
    assert np.array_equal(slope(Linear(), x), np.ones(7))


@pytest.mark.parametrize(("initializer", "saturated"), [(Normal(), 0.865), (XavierNormal(), 0.0)])
def test_C11_saturated_units(initializer, saturated):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 256))
    for _ in range(5):
        x = np.tanh(x @ initializer(rng, (256, 256)))
    assert abs((np.abs(x) > 0.99).mean() - saturated) < 0.02


def test_C12_positive_inputs_tie_the_signs_of_a_units_weights():
    rng = np.random.default_rng(0)
    x, dy = rng.uniform(0.1, 1, (1, 6)), rng.standard_normal((1, 4))
    _, grads = Dense(4, bias=False).backward({"W": np.zeros((6, 4))}, x, dy, CTX)
    assert np.array_equal(np.sign(grads["W"]), np.sign(dy).repeat(6, 0))
