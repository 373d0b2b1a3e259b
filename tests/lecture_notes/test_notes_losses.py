"""The numbers of the lecture notes: losses (B), the window scorer and its max-margin loss (A7, B7, E1)."""

from dataclasses import replace
from math import prod

import numpy as np
import pytest
from configs import judged
from networks import assert_gradients, backpropagate, differences, learner

from framework import Context, Data, Field, Head, Network, Node
from framework.core.errors import ConfigError
from framework.data.scaling import Scale
from framework.experiments.builder import assemble
from framework.inference.evaluation import HeadMetric
from framework.inference.model import Model
from framework.training.trainer import train
from framework_activations.sigmoid import Sigmoid
from framework_activations.softmax import Softmax
from framework_layers.activation import ActivationLayer
from framework_layers.dense import Dense
from framework_losses.binary_cross_entropy import BinaryCrossEntropy
from framework_losses.cross_entropy import CrossEntropy
from framework_losses.half_squared_error import HalfSquaredError
from framework_losses.mae import MeanAbsoluteError
from framework_losses.max_margin import MaxMargin
from framework_losses.mse import MeanSquaredError
from framework_losses.msle import MeanSquaredLogError
from framework_losses.softmax_cross_entropy import SoftmaxCrossEntropy
from framework_metrics.accuracy import Accuracy
from framework_metrics.loss import LossMetric

CTX = Context()
GOLDEN = 1e-6
PAIR = {"pair": Head(MaxMargin(), ("score", "score_c"), target=None)}


def near(a, b, tolerance=GOLDEN):
    return np.abs(np.asarray(a) - np.asarray(b)).max() < tolerance


def test_B1_squared_error_saturates_behind_a_sigmoid():
    z, t = np.array([[-10.0]]), np.array([[1.0]])
    s, cache = Sigmoid().forward(z, CTX)
    assert near(MeanSquaredError()(s, t, CTX)[0], (s - t) ** 2, 1e-15)
    through_mse = Sigmoid().backward(cache, MeanSquaredError()(s, t, CTX)[1], CTX)
    assert near(through_mse, -9.079e-5, 5e-9)  # printed with four digits
    assert near(BinaryCrossEntropy()(z, t, CTX)[1], -0.999955)


def test_B1_squared_error_of_two_classes_reads_their_numbers():
    s, labels = np.array([[0.2], [0.9]]), np.array([0, 1])
    (value, dy), (same, likewise) = (MeanSquaredError()(s, t, CTX) for t in (labels, labels[:, None].astype(float)))
    assert value == same == pytest.approx(0.025)
    assert np.array_equal(dy, likewise)
    assert MeanSquaredError()(s.astype(np.float32), labels, CTX)[1].dtype == np.float32


def test_B1_log_form_of_the_squared_error():
    value, dy = MeanSquaredLogError()(np.array([[np.e - 1]]), np.array([[0.0]]), CTX)
    assert value == pytest.approx(1)
    assert dy[0, 0] == pytest.approx(2 / np.e)


def test_B2_absolute_error_has_subgradient_0_at_0():
    value, dy = MeanAbsoluteError()(np.array([[1.0], [3.0]]), np.array([[1.0], [1.0]]), CTX)
    assert value == 1
    assert dy.ravel().tolist() == [0, 0.5]


def test_B3_softmax_cross_entropy_gradient_is_p_minus_t():
    rng = np.random.default_rng(0)
    y, labels = rng.standard_normal((1, 4)), np.array([2])
    p = SoftmaxCrossEntropy().predict(y, CTX)
    one_hot, soft = np.eye(4)[labels], np.array([[0.1, 0.2, 0.3, 0.4]])
    for t, probabilities in ((labels, one_hot), (one_hot, one_hot), (soft, soft)):
        loss, dy = SoftmaxCrossEntropy()(y, t, CTX)
        assert loss == pytest.approx(-(probabilities * np.log(p)).sum(), abs=1e-12)
        assert near(dy, p - probabilities, 1e-15)


@pytest.mark.parametrize("reduction", ["mean", "sum", "sum_over_time"])
def test_B3_cross_entropy_behind_a_softmax_node_is_softmax_cross_entropy(reduction):
    rng = np.random.default_rng(0)
    y, labels, mask = rng.standard_normal((3, 6, 4)), rng.integers(0, 4, (3, 6)), rng.uniform(0, 2, (3, 6))
    p, cache = Softmax().forward(y, CTX)
    for t in (labels, np.eye(4)[labels], rng.dirichlet(np.ones(4), (3, 6))):
        for weights in (None, mask):
            value, dp = CrossEntropy(reduction=reduction)(p, t, CTX, weights)
            expected, dy = SoftmaxCrossEntropy(reduction)(y, t, CTX, weights)
            assert value == pytest.approx(expected, abs=1e-12)
            assert near(Softmax().backward(cache, dp, CTX), dy, 1e-14)


def test_B3_a_probability_of_0_costs_a_finite_number_and_has_a_finite_gradient():
    values, slopes = [], []
    for p in (0.0, 0.5e-12, 1e-12, 2e-12):
        value, dy = CrossEntropy()(np.array([[p, 1 - p]]), np.array([0]), CTX)
        values.append(float(value))
        slopes.append(dy[0, 0])
    assert values == pytest.approx([1 - np.log(1e-12), 0.5 - np.log(1e-12), -np.log(1e-12), -np.log(2e-12)])
    assert slopes == pytest.approx([-1e12, -1e12, -1e12, -0.5e12])


def test_B4_binary_cross_entropy_is_two_class_softmax():
    z, t = np.array([[-3.0], [0.2], [1.7]]), np.array([0, 1, 1])
    two = np.concatenate([np.zeros_like(z), z], 1)
    binary, dz = BinaryCrossEntropy()(z, t, CTX)
    softmax, dy = SoftmaxCrossEntropy()(two, t, CTX)
    assert binary == pytest.approx(softmax, abs=1e-14)
    assert near(dz[:, 0], dy[:, 1], 1e-15)


def test_B5_confident_and_wrong_costs_13_8155():
    p, t = np.array([[1e-6, 1 - 1e-6]]), np.array([0])
    odds = np.log([[1e-6 / (1 - 1e-6)]])
    costs = [CrossEntropy()(p, t, CTX), SoftmaxCrossEntropy()(np.log(p), t, CTX), BinaryCrossEntropy()(odds, 1 - t, CTX)]
    for value, _ in costs:
        assert near(value, 13.8155, 5e-5)  # printed with four decimals


def test_B7_a_pair_costs_what_the_corrupt_score_lacks_to_lose_by_the_margin():
    s, s_c = np.array([[3.0], [0.5], [-1.0]]), np.array([[1.0], [0.0], [1.0]])
    value, (ds, ds_c) = MaxMargin()((s, s_c), None, CTX)
    assert value == pytest.approx((0 + 0.5 + 3) / 3, abs=1e-15)
    assert near(ds, np.array([[0], [-1], [-1]]) / 3, 1e-15)
    assert np.array_equal(ds_c, -ds)
    plain, _ = MaxMargin(margin=0.0)((s, s_c), None, CTX)  # the notes' first form, max(s_c - s, 0)
    assert plain == pytest.approx(2 / 3, abs=1e-15)
    flat, (ds_flat, _) = MaxMargin()((s[:, 0], s_c[:, 0]), None, CTX)  # scores (N,) without a column
    assert (flat, ds_flat.tolist()) == (value, ds[:, 0].tolist())


def test_B7_no_gradient_once_the_margin_is_won():
    for gap in (1.0, 1.5):  # at the hinge itself, and beyond
        value, dys = MaxMargin()((np.full((4, 1), gap), np.zeros((4, 1))), None, CTX)
        assert value == 0
        assert not any(dy.any() for dy in dys)


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


def test_B9_the_error_of_a_step_is_its_squared_difference():
    y, t = np.array([[[0.5]], [[2.0]]]), np.array([[[1.0]], [[-1.0]]])
    total, dy = MeanSquaredError("sum_over_time")(y, t, CTX)
    assert total == 0.25 + 9
    assert dy.ravel().tolist() == [-1, 6]


def test_B10_a_sequence_of_labels_costs_minus_the_sum_of_their_log_probabilities():
    rng = np.random.default_rng(0)
    y, t = rng.standard_normal((4, 1, 3)), rng.integers(0, 3, (4, 1))
    p = SoftmaxCrossEntropy().predict(y, CTX)
    total, dy = SoftmaxCrossEntropy("sum_over_time")(y, t, CTX)
    assert total == pytest.approx(-sum(np.log(p[k, 0, t[k, 0]]) for k in range(4)), abs=1e-12)
    assert (np.take_along_axis(dy, t[..., None], -1) < 0).all()  # it falls as the right output rises


@pytest.mark.parametrize("loss", [SoftmaxCrossEntropy(), BinaryCrossEntropy()], ids=lambda a: type(a).__name__)
def test_C1_losses_are_stable_for_1000(loss):
    y = np.array([[1000.0, -1000.0], [-1000.0, 1000.0]])
    J, dy = loss(y, np.eye(2)[::-1], CTX)
    assert np.isfinite(J)
    assert np.isfinite(dy).all()
    assert loss(y, np.eye(2), CTX)[0] == 0


def window_scorer():
    """s = U^T f(W x + b) of the true window and of the corrupt one, with shared weights."""
    nodes = {
        "hidden": Node(Dense(8), "x"),
        "act": ActivationLayer(Sigmoid()),
        "score": Dense(1, bias=False),
        "hidden_c": Node(Dense(8), "corrupt", share="hidden"),
        "act_c": ActivationLayer(Sigmoid()),
        "score_c": Node(Dense(1, bias=False), share="score"),
    }
    return Network(nodes, {"x": (20,), "corrupt": (20,)})


def windows(n):
    """Five words of four numbers each; in a corrupt window the middle word is another."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((n, 20)) + 0.5
    corrupt = x.copy()
    corrupt[:, 8:12] = rng.standard_normal((n, 4)) - 0.5
    return {"x": x, "corrupt": corrupt}


def test_A7_window_scorer_shapes():
    tensors, shapes = window_scorer().init(0)
    assert tensors["hidden"]["W"].shape == (20, 8)
    assert tensors["hidden"]["b"].shape == (1, 8)
    assert tensors["score"]["W"].shape == (8, 1)
    assert shapes["score"] == (1,)
    assert sum(prod(a.shape) for p in tensors.values() for a in p.values()) == 176


def test_A7_E1_the_gradient_of_a_pair_of_windows_has_a_minus_for_the_true_one():
    network, batch = window_scorer(), windows(1)
    p = network.init(0)[0]
    loss, values, g, deltas = backpropagate(network, PAIR, p, batch)
    assert loss > 0
    delta, delta_c = (
        p["score"]["W"].T * values[a] * (1 - values[a]) for a in ("act", "act_c")
    )  # delta_i = U_i f'(z_i), as the slides define it
    right = -batch["x"].T @ delta + batch["corrupt"].T @ delta_c
    assert near(g["hidden"]["W"], right, 1e-14)
    assert near(deltas["score"], -1, 1e-15)
    numeric = differences(lambda: backpropagate(network, PAIR, p, batch)[0], p["hidden"]["W"])
    assert near(g["hidden"]["W"], numeric, 1e-9)
    as_printed = batch["x"].T @ delta + batch["corrupt"].T @ delta_c
    assert not near(as_printed, numeric, 0.1)
    assert_gradients(network, PAIR, p, batch)
    assert_gradients(network, PAIR, p, windows(7))


def window_data():
    return Data({"train": windows(64), "val": windows(16)}, {"x": Field("NF"), "corrupt": Field("NF")})


def test_A7_a_stack_of_window_scorers_trains_as_each_alone():
    def scorer(margin):
        head = Head(MaxMargin(margin), ("score", "score_c"), target=None)
        member = learner(window_scorer(), epochs=30, batch_size=8)
        return replace(member, heads={"loss": head})

    margins = (0.5, 1.0, 2.0)
    together = train([scorer(margin) for margin in margins], [window_data()], [0, 1, 2], dtype=np.float64)
    for key, (margin, member) in enumerate(zip(margins, together, strict=True)):
        alone = train([scorer(margin)], [window_data()], [key], dtype=np.float64)[0]
        assert near(member.weights["hidden"]["W"], alone.weights["hidden"]["W"], 1e-9)
        assert member.metrics["val/loss"] < 0.8 * margin


SCORER = """
dataset: {type: sine}
model:
  layers:
    hidden: {type: dense, units: 8, from: x}
    act: sigmoid_layer
    score: {type: dense, units: 1, bias: false}
    hidden_c: {type: dense, units: 8, from: corrupt, share: hidden}
    act_c: sigmoid_layer
    score_c: {type: dense, units: 1, bias: false, share: score}
heads:
  pair: {type: max_margin, from: [score, score_c], target: null}
optimizer: {type: sgd, lr: 0.1}
""".replace("sigmoid_layer", "{type: activation, function: sigmoid}")


def configured(changes="{}"):
    return assemble(judged(changes, SCORER), window_data())


def test_A7_the_window_scorer_from_a_configuration():
    found = configured("{metrics: {margin2: {type: loss, loss: {type: max_margin, margin: 2}}}}")
    tensors, _ = found.network.init(0)
    assert found.network.arena(tensors).P == 176
    assert found.heads["pair"].source == ("score", "score_c")
    model = Model.of(found, tensors, window_data(), Scale("none", {}, {}))
    assert model.predict(windows(5)).shape == (5, 2)  # both scores, a row per pair
    assert model.evaluate(windows(5))["margin2"] > model.evaluate(windows(5))["loss"] > 0
    assert list(configured().measures) == ["pairwise_accuracy", "margin_kept"]  # auto


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ("{heads/pair/target: x}", "heads.pair: MaxMargin takes no target (got 'x'); set target: null"),
        ("{heads/pair/from: score}", "heads.pair: MaxMargin reads 2 layers, from: [a, b] (got score"),
        ("{heads/pair/from: [score, scor_c]}", "heads.pair.from: unknown layer 'scor_c'; did you mean 'score_c'?"),
        ("{heads/pair/from: [score, act_c]}", "needs outputs of equal shape; 'score' has (1,), 'act_c' has (8,)"),
        ("{heads/pair/margin: -1}", "heads.pair.margin: -1.0 must be at least 0"),
        (
            "{heads: {pair: {type: mse, from: score, target: null}}}",
            "heads.pair: MeanSquaredError needs a target of kind real",
        ),
        (
            "{heads: {pair: {type: mse, from: [score, score_c], target: x}}}",
            "MeanSquaredError reads one layer (got",
        ),
        ("{heads: {pair: {type: auto, from: score, target: null}}}", "heads.pair.type: auto needs a target"),
        (
            "{model/layers/score: {type: dense, units: auto}}",
            "model.layers.score.units: auto needs a layer that a loss",
        ),
        ("{metrics: accuracy}", "metrics.accuracy: Accuracy needs a target of kind label or binary or columns"),
        ("{metrics: loss}", "metrics.loss: LossMetric reads one layer (got score, score_c"),
    ],
)
def test_heads_without_a_target_are_judged_in_words(changes, expected):
    with pytest.raises(ConfigError) as caught:
        configured(changes)
    assert expected in str(caught.value)


def test_a_measure_of_a_loss_counts_pairs():
    head = PAIR["pair"]
    values = {"score": np.array([[0.0], [2.0]]), "score_c": np.array([[0.0], [0.0]])}
    metric = LossMetric(MaxMargin())
    counts = HeadMetric(metric, "pair").count({"pair": head}, values, CTX)
    assert metric.value(counts) == 0.5


def test_accuracy_reads_the_probabilities_that_cross_entropy_judges():
    head = Head(CrossEntropy(), "p", target="y")
    ctx = Context(batch={"y": np.array([0, 1])})
    counts = HeadMetric(Accuracy(), "loss").count({"loss": head}, {"p": np.array([[0.6, 0.4], [0.7, 0.3]])}, ctx)
    assert counts.tolist() == [1, 2]
