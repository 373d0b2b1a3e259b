"""Loss and metrics of a split that is read in several batches of unequal size are those of the split as one batch."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from networks import learner, mlp, regression

from framework import Context, Data, Field, Head, Network, Node
from framework.data.loader import DataLoader
from framework.inference.evaluation import EVALUATION_BATCH, EVALUATION_STEPS, HeadMetric, evaluate
from framework.training.trainer import train
from framework_layers.dense import Dense
from framework_losses.binary_cross_entropy import BinaryCrossEntropy
from framework_losses.cross_entropy import CrossEntropy
from framework_losses.half_squared_error import HalfSquaredError
from framework_losses.mae import MeanAbsoluteError
from framework_losses.max_margin import MaxMargin
from framework_losses.mse import MeanSquaredError
from framework_losses.msle import MeanSquaredLogError
from framework_losses.score import Score
from framework_losses.softmax_cross_entropy import SoftmaxCrossEntropy
from framework_metrics.accuracy import Accuracy
from framework_metrics.exact_match import ExactMatch
from framework_metrics.loss import LossMetric

RNG = np.random.default_rng(0)
REDUCTIONS = ("mean", "sum", "sum_over_time")
REAL = (HalfSquaredError, MeanAbsoluteError, MeanSquaredError, MeanSquaredLogError)
ROWS = EVALUATION_BATCH + 476
STEPS = 8
SEQUENCES = EVALUATION_STEPS // STEPS + 188


def target(loss, shape):
    """A target for two outputs, and its field."""
    axes = "NT" if len(shape) == 2 else "N"
    if loss in REAL:
        return np.abs(RNG.standard_normal((*shape, 2))), Field(f"{axes}F")
    if loss is BinaryCrossEntropy:
        return RNG.integers(0, 2, (*shape, 2)), Field(f"{axes}F", "label")
    return RNG.integers(0, 2, shape), Field(axes, "label", 2)


def split(loss, time, mask):
    """The larger errors stand in the last, short batch."""
    shape = (SEQUENCES, STEPS) if time else (ROWS,)
    x = RNG.standard_normal((*shape, 3)) * np.linspace(1, 6, shape[0]).reshape(-1, *(1,) * len(shape))
    y, field = target(loss, shape)
    arrays, fields = {"x": x, "y": y}, {"x": Field("NTF" if time else "NF"), "y": field}
    if mask:
        weights = RNG.uniform(0, 2, shape)
        arrays["mask"] = np.where(RNG.uniform(size=shape) < 0.4, 0, weights)
        fields["mask"] = Field("NT" if time else "N", "mask")
    return Data({"train": arrays}, fields)


def measured(data, head, measures):
    """What `evaluate` says, and the loss, predictions and context of the split as one batch."""
    network = Network({"out": Dense(2), "other": Node(Dense(2), "x")}, data.shapes())
    p = {node: {name: a[None] for name, a in tensors.items()} for node, tensors in network.init(0)[0].items()}
    feed = DataLoader([data], "train", np, np.float64)
    found = evaluate(network, {"loss": head}, measures, p, feed, Context(replicas=(1,)))
    ctx = Context(replicas=(1,), batch=feed.batch(slice(0, feed.n)), train=False)
    values, _ = network.forward(p, ctx)
    return found, values, ctx


@pytest.mark.parametrize("mask", [False, True], ids=["plain", "mask"])
@pytest.mark.parametrize("time", [False, True], ids=["rows", "sequences"])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("loss", [*REAL, BinaryCrossEntropy, CrossEntropy, SoftmaxCrossEntropy, Score, MaxMargin])
def test_every_loss_of_a_split_is_that_of_one_batch(loss, reduction, time, mask):
    data = split(loss, time, mask)
    pair = loss is MaxMargin
    head = Head(loss(reduction=reduction), ("out", "other") if pair else "out", None if loss in (Score, MaxMargin) else "y")
    found, values, ctx = measured(data, head, {"again": HeadMetric(LossMetric(head.loss), "loss")})
    whole, _ = head.loss_and_gradient(values, ctx)
    np.testing.assert_allclose(found["loss"], whole, rtol=1e-12)
    np.testing.assert_allclose(found["again"], whole, rtol=1e-12)


@pytest.mark.parametrize("mask", [False, True], ids=["plain", "mask"])
@pytest.mark.parametrize("time", [False, True], ids=["rows", "sequences"])
@pytest.mark.parametrize("metric", [Accuracy(), ExactMatch()])
def test_every_metric_of_a_split_is_that_of_one_batch(metric, time, mask):
    head = Head(SoftmaxCrossEntropy(), "out")
    found, values, ctx = measured(split(SoftmaxCrossEntropy, time, mask), head, {"right": HeadMetric(metric, "loss")})
    whole = metric.value(HeadMetric(metric, "loss").count({"loss": head}, values, ctx))
    assert 0 < whole < 1
    np.testing.assert_allclose(found["right"], whole, rtol=1e-12)


def test_exact_match_of_one_column_asks_whether_it_is_above_half():
    y, t = np.array([[0.9], [0.2], [0.7], [0.4]]), np.array([1, 0, 0, 1])
    assert ExactMatch().value(ExactMatch().count(y, t, Context())) == 0.5


def test_a_batch_without_any_weight_adds_nothing():
    metric, y, t = LossMetric(MeanSquaredError()), np.ones((3, 2)), np.zeros((3, 2))
    counts = metric.count(y, t, Context(), np.zeros(3)) + metric.count(y * 2, t, Context(), np.array([1.0, 0, 0]))
    assert metric.value(counts) == 4


@dataclass(frozen=True)
class Root:
    """The root of the mean square of the targets, which takes the array module from the context."""

    seen: list

    def count(self, y, t, ctx, mask=None):
        return ctx.xp.stack([(t * t + 0 * y).sum((-2, -1)), (0 * y + 1).sum((-2, -1))], -1)

    def value(self, counts, ctx):
        self.seen.append(ctx.replicas)
        return ctx.xp.sqrt(counts[..., 0] / counts[..., 1])


@pytest.mark.usefixtures("compiled_quickly")
@pytest.mark.parametrize("tier", ["array", "compiled"])
def test_a_metric_may_ask_for_the_context(tier):
    metric, data = Root([]), regression(n=12, val=6)
    member = replace(learner(mlp(3, 2), steps=4, batch_size=6), measures={"root": HeadMetric(metric, "loss")})
    outcomes = train([member] * 2, [data], [0, 1], dtype=np.float64, tier=tier)
    wanted = np.sqrt((data.splits["val"]["y"] ** 2).mean())
    assert [outcome.metrics["val/root"] for outcome in outcomes] == pytest.approx([wanted] * 2)
    assert set(metric.seen) == {(2,)}
