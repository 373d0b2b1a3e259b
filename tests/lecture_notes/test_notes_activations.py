"""The numbers of the lecture notes: activations and softmax (C), Gumbel choices (4.1), and the errata among them."""

import numpy as np
import pytest
from configs import assembled, prepared

from framework import Context, discover
from framework.experiments.config_warnings import config_warnings
from framework.testing import conformance
from framework.training.trainer import train
from framework_activations.gumbel_sigmoid import GumbelSigmoid
from framework_activations.gumbel_softmax import GumbelSoftmax
from framework_activations.linear import Linear
from framework_activations.relu import Relu
from framework_activations.sigmoid import Sigmoid
from framework_activations.tanh import Tanh
from framework_initializers.normal import Normal
from framework_initializers.xavier_normal import XavierNormal
from framework_layers.dense import Dense
from framework_losses.binary_cross_entropy import BinaryCrossEntropy
from framework_losses.softmax_cross_entropy import SoftmaxCrossEntropy

CTX = Context()
get = discover().get
GOLDEN = 1e-6


def near(a, b, tolerance=GOLDEN):
    return np.abs(np.asarray(a) - np.asarray(b)).max() < tolerance


def slope(activation, x):
    _, cache = activation.forward(np.asarray(x, float), CTX)
    return activation.backward(cache, np.ones(np.shape(x)), CTX)


def value(activation, x):
    return activation.forward(np.asarray(x, float), CTX)[0]


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


def test_C6_backward_is_p_times_g_minus_p_dot_g():
    rng = np.random.default_rng(0)
    x, g = rng.standard_normal((2, 6, 5))
    p, cache = get("activation", "softmax")().forward(x, CTX)
    dx = get("activation", "softmax")().backward(cache, g, CTX)
    assert near(dx, p * (g - (p * g).sum(-1, keepdims=True)), 1e-15)
    jacobian = np.diag(p[0]) - np.outer(p[0], p[0])
    assert near(dx[0], jacobian @ g[0], 1e-15)


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
    for _ in range(20):
        x, dy = rng.uniform(0, 1, (1, 6)), rng.standard_normal((1, 4))
        _, grads = Dense(4, bias=False).backward({"W": np.zeros((6, 4))}, x, dy, CTX)
        assert np.array_equal(np.sign(grads["W"]), np.sign(dy).repeat(6, 0))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ("{}", ""),
        ("{model/layers/p: {type: activation, function: sigmoid}, loss: mse, dataset: {type: sine, n: 30}}", ""),
        (
            "{model/layers/p: {type: activation, function: relu}}",
            "'p' ends the network with Relu, which is for hidden layers",
        ),
        ("{activation: softmax}", "model.layers.act: Softmax is for the last layer"),
        ("{activation: {type: gumbel_softmax}}", ""),
        (
            "{model/layers/p: {type: activation, function: softmax}}",
            "SoftmaxCrossEntropy computes probabilities itself, but 'p'",
        ),
        ("{model/layers/p: {type: activation, function: softmax}, loss: cross_entropy}", ""),
        (
            "{model/layers/p: {type: activation, function: sigmoid}, loss: binary_cross_entropy}",
            "BinaryCrossEntropy computes",
        ),
        ("{loss: cross_entropy}", "CrossEntropy needs probabilities, but 'out' declares none"),
    ],
)
def test_C14_a_function_in_the_wrong_place_is_warned_of(changes, expected):
    found = config_warnings(assembled("{dataset: {type: spirals, n: 30}, " + changes[1:]))
    assert len(found) == bool(expected)
    assert expected in "".join(found)


@pytest.mark.parametrize(
    ("name", "x", "y", "dx"),
    [
        ("softplus", 0.0, 0.693147, 0.5),
        ("softplus", 1000.0, 1000.0, 1.0),
        ("softplus", -1000.0, 0.0, 0.0),
        ("leaky_relu", -2.0, -0.02, 0.01),
        ("leaky_relu", 0.0, 0.0, 1.0),
        ("gelu", 0.0, 0.0, 0.5),
        ("gelu", 1.0, 0.841192, 1.082964),
    ],
)
def test_C4_C5_activations(name, x, y, dx):
    activation = get("activation", name)()
    value, cache = activation.forward(np.array([[x]]), CTX)
    assert value[0, 0] == pytest.approx(y, abs=1e-6)
    assert activation.backward(cache, np.ones((1, 1)), CTX)[0, 0] == pytest.approx(dx, abs=1e-6)


@pytest.mark.parametrize(
    ("normalize", "x", "golden"),
    [
        ("max", [1, 2, 3], [0.090031, 0.244728, 0.665241]),
        ("none", [1, 2, 3], [0.090031, 0.244728, 0.665241]),
        ("standard", [1, 2, 3], [0.062556, 0.212896, 0.724548]),
        ("minmax", [1, 2, 3], [0.186324, 0.307196, 0.506480]),
        ("max", [1, 2, 3, 10], [None, None, None, 0.998631]),
        ("standard", [1, 2, 3, 10], [None, None, None, 0.757246]),
        ("max", [1000, 1001, 1002], [0.090031, 0.244728, 0.665241]),
    ],
)
def test_C7_E11_softmax_with_the_normalisations_of_the_notes(normalize, x, golden):
    y, _ = get("activation", "softmax")(normalize).forward(np.array([x], float), CTX)
    for found, expected in zip(y[0], golden, strict=True):
        assert expected is None or found == pytest.approx(expected, abs=1e-6)


def test_E11_without_normalisation_large_inputs_are_no_numbers():
    with np.errstate(all="ignore"):
        y, _ = get("activation", "softmax")("none").forward(np.array([[1000.0, 1001, 1002]]), CTX)
    assert np.isnan(y).all()


ALPHA, DRAWS = 0.5, 200_000
TAUS = [(1.0, 0.782), (0.9, 0.737), (0.5, 0.476), (0.1, 0.103)]


def within_chance(frequency, probability, errors=4):
    """Whether a frequency of DRAWS draws is that many standard errors from a probability, or less."""
    return (np.abs(frequency - probability) < errors * np.sqrt(probability * (1 - probability) / DRAWS)).all()


def gates(tau, hard=False):
    return GumbelSigmoid(tau, hard).forward(np.full((DRAWS, 1), ALPHA), CTX.but(name="gate"))[0]


def test_N2_4_1_the_largest_noisy_logit_is_drawn_with_its_probability():
    pi = np.array([0.2, 0.3, 0.5])
    logits = np.broadcast_to(np.log(pi), (DRAWS, 3))
    for activation in (GumbelSoftmax(hard=True), GumbelSoftmax(0.1, hard=True)):
        y, _ = activation.forward(logits, CTX)
        assert np.array_equal(np.unique(y), [0, 1])
        assert (y.sum(-1) == 1).all()
        assert within_chance(y.mean(0), pi)
    soft, _ = GumbelSoftmax(0.5).forward(logits, CTX)
    assert np.array_equal(soft.argmax(-1), y.argmax(-1))  # the temperature does not move the choice


@pytest.mark.parametrize("activation", [GumbelSoftmax, GumbelSigmoid])
def test_N2_4_1_the_temperature_is_annealed_to_its_lowest_value(activation):
    made, x = activation(2.0, rate=0.1, lowest=0.5), np.random.default_rng(0).standard_normal((3, 4))
    for step, temperature in ((0, 2.0), (5, 2 * np.exp(-0.5)), (1000, 0.5)):
        ctx = Context(name="act", step=step)
        y, cache = made.forward(x, ctx)
        fixed, of_fixed = activation(temperature).forward(x, ctx)
        assert near(y, fixed, 1e-12)
        assert near(made.backward(cache, x, ctx), activation(temperature).backward(of_fixed, x, ctx), 1e-12)
    evaluation = Context(train=False)  # the same for any step, so that a saved network gives what the run reported
    assert near(made.forward(x, evaluation)[0], activation(0.5).forward(x, evaluation)[0], 1e-12)


def test_N2_annealing_gives_the_same_numbers_in_both_tiers():
    words = "dataset=spirals model=mlp activation=gumbel_sigmoid activation.rate=0.05 trainer.steps=30 dtype=float64"
    experiment = prepared(words)
    weights = [
        train([experiment.learner], [experiment.data], [0], dtype=np.float64, tier=tier)[0].weights["out"]["W"]
        for tier in ("array", "compiled")
    ]
    assert near(*weights, 1e-9)
    other = prepared(words.replace("0.05", "0"))
    (constant,) = train([other.learner], [other.data], [0], dtype=np.float64, tier="array")
    assert not near(weights[0], constant.weights["out"]["W"], 1e-3)


def test_N2_4_1_low_temperatures_give_one_hot_and_high_ones_uniform():
    logits = np.log(np.broadcast_to([0.2, 0.3, 0.5], (1000, 3)))
    cold, hot = (GumbelSoftmax(tau).forward(logits, CTX)[0] for tau in (1e-3, 1e3))
    assert cold.max(-1).mean() > 0.99
    assert near(hot, 1 / 3, 0.01)


def test_4_1_backward_of_the_relaxed_sample():
    rng = np.random.default_rng(0)
    x, G = rng.standard_normal((2, 5, 3))
    y, cache = GumbelSoftmax(0.5).forward(x, CTX)
    assert near(GumbelSoftmax(0.5).backward(cache, G, CTX), y * (G - (G * y).sum(-1, keepdims=True)) / 0.5, 1e-14)
    gate, cache = GumbelSigmoid(0.5).forward(x, CTX)
    assert near(GumbelSigmoid(0.5).backward(cache, G, CTX), G * gate * (1 - gate) / 0.5, 1e-14)


@pytest.mark.parametrize(("tau", "inside"), TAUS)
def test_4_1_binary_gates(tau, inside):
    g = gates(tau)
    assert within_chance((g > 0.5).mean(), value(Sigmoid(), ALPHA))  # 0.62246 at every temperature
    assert within_chance(gates(tau, hard=True).mean(), value(Sigmoid(), ALPHA))
    share = ((g > 0.1) & (g < 0.9)).mean()
    assert within_chance(share, inside) or abs(share - inside) < 5e-4  # printed with three decimals
    for e in (0.1, 0.3):
        assert within_chance((g >= 1 - e).mean(), value(Sigmoid(), ALPHA - tau * np.log((1 - e) / e)))


def test_4_1_the_closed_form_at_temperature_0_1():
    exact = value(Sigmoid(), ALPHA - 0.1 * np.log(9))
    assert near(exact, 0.569614)
    assert within_chance((gates(0.1) >= 0.9).mean(), exact)


STRAIGHT = {"gradient": "straight-through: the gradient is that of the soft choice, the value that of the hard one"}


@pytest.mark.parametrize(
    "check",
    [
        each
        for hard in (GumbelSoftmax(0.7, hard=True), GumbelSigmoid(0.7, hard=True))
        for each in conformance("activation", hard, expected_failures=STRAIGHT)
    ],
    ids=lambda check: check.name,
)
def test_4_1_hard_choices_obey_all_but_the_gradient(check):
    check()


@pytest.mark.parametrize("cls", [GumbelSoftmax, GumbelSigmoid])
@pytest.mark.parametrize("train", [True, False])
def test_4_1_hard_choices_pass_the_gradient_of_soft_ones(cls, train):
    rng, ctx = np.random.default_rng(0), Context(train=train)
    x, dy = rng.standard_normal((2, 50, 4))
    (soft, cache), (hard, hard_cache) = (cls(0.7, h).forward(x, ctx) for h in (False, True))
    assert set(np.unique(hard)) <= {0.0, 1.0}
    chosen = soft == soft.max(-1, keepdims=True) if cls is GumbelSoftmax else soft > 0.5
    assert np.array_equal(hard, chosen)
    assert np.array_equal(cls(0.7, True).backward(hard_cache, dy, ctx), cls(0.7).backward(cache, dy, ctx))


def test_4_1_without_training_there_is_no_noise_and_the_temperature_stays():
    x, ctx = np.random.default_rng(0).standard_normal((5, 4)), Context(train=False)
    softmax, _ = get("activation", "softmax")().forward(x / 0.5, ctx)
    assert near(GumbelSoftmax(0.5).forward(x, ctx)[0], softmax, 1e-15)
    assert near(GumbelSigmoid(0.5).forward(x, ctx)[0], value(Sigmoid(), x / 0.5), 1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("drawn", [0.0, 1 - 2.0**-24])
def test_4_1_the_ends_of_the_uniform_numbers_give_finite_choices(dtype, drawn):
    class Ends(Context):
        def uniform(self, like, draw=0):
            return np.full(like.shape, drawn, like.dtype)

    for cls in (GumbelSoftmax, GumbelSigmoid):
        for tau in (1.0, 0.01):
            y, cache = cls(tau).forward(np.zeros((2, 3), dtype), Ends())
            dx = cls(tau).backward(cache, np.ones((2, 3), dtype), Ends())
            assert np.isfinite(y).all()
            assert np.isfinite(dx).all()
