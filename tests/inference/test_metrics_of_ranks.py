"""Metrics of ranks, whose counts are rows of all examples, against scikit-learn: batches, masks, stacks, both tiers."""

from dataclasses import replace

import numpy as np
import pytest
from networks import learner, mlp
from sklearn.metrics import average_precision_score, roc_auc_score

from framework import Context, Data, Field
from framework.inference.evaluation import HeadMetric, MetricAccumulator
from framework.training.trainer import train
from framework_losses.softmax_cross_entropy import SoftmaxCrossEntropy
from framework_metrics.average_precision import AveragePrecision
from framework_metrics.roc_auc import RocAuc

RNG = np.random.default_rng(0)
METRICS = {RocAuc(): roc_auc_score, AveragePrecision(): average_precision_score}
N = 60
CTX = Context()


def scores(*shape):
    """Some are equal."""
    return RNG.uniform(size=shape).round(1)


def value(metric, y, t, mask=None, ctx=CTX):
    return metric.value(metric.count(y, t, ctx, mask), ctx)


def one_hot(t, K):
    return (t[:, None] == np.arange(K)).astype(int)


@pytest.mark.parametrize("metric", METRICS, ids=type)
@pytest.mark.parametrize("weighted", [False, True])
def test_values_are_those_of_scikit_learn(metric, weighted):
    theirs, mask = METRICS[metric], RNG.uniform(0, 2, N) * (RNG.uniform(size=N) < 0.8) if weighted else None
    y, t = scores(N), RNG.integers(0, 2, N)
    found = [value(metric, y[:, None], t, mask), value(metric, np.stack([1 - y, y], -1), t, mask)]
    assert found == pytest.approx([theirs(t, y, sample_weight=mask)] * 2, abs=1e-12)
    y, t = scores(N, 3), RNG.integers(0, 2, (N, 3))
    assert value(metric, y, t, mask) == pytest.approx(theirs(t, y, average="macro", sample_weight=mask), abs=1e-12)
    y, t = RNG.dirichlet(np.ones(4), N).round(1), RNG.integers(0, 4, N)
    wanted = theirs(one_hot(t, 4), y, average="macro", sample_weight=mask)
    assert value(metric, y, t, mask) == pytest.approx(wanted, abs=1e-12)


def test_one_against_the_rest_is_that_of_scikit_learn():
    y, t = RNG.dirichlet(np.ones(4), N), RNG.integers(0, 4, N)
    assert value(RocAuc(), y, t) == pytest.approx(roc_auc_score(t, y, multi_class="ovr"), abs=1e-12)


def test_random_scores_have_an_area_of_one_half():
    assert value(RocAuc(), np.full((4, 1), 0.3), np.array([0, 1, 0, 0])) == 0.5
    assert value(AveragePrecision(), np.full((4, 1), 0.3), np.array([0, 1, 0, 0])) == 0.25


@pytest.mark.parametrize("metric", METRICS, ids=type)
def test_a_class_without_examples_is_left_out(metric):
    y, t = scores(N, 3), RNG.integers(0, 2, N)
    parts = metric.parts(metric.count(y, t, CTX), CTX)
    assert np.isnan(parts["2"])
    assert value(metric, y, t) == pytest.approx((parts["0"] + parts["1"]) / 2)
    assert np.isnan(value(metric, y[:, :1], t * 0))


def test_the_value_of_each_class_is_a_part():
    y, t = scores(N, 3), RNG.integers(0, 3, N)
    metric = RocAuc(names=("a", "b", "c"))
    found = metric.parts(metric.count(y, t, CTX), CTX)
    assert found == pytest.approx({name: roc_auc_score(t == k, y[:, k]) for k, name in enumerate("abc")}, abs=1e-12)
    assert metric.parts(metric.count(y[:, :1], t > 0, CTX), CTX) == {}


@pytest.mark.parametrize("metric", METRICS, ids=type)
def test_a_score_of_nan_counts_where_the_mask_does(metric):
    y, t, mask = scores(N, 2), RNG.integers(0, 2, N), np.ones(N)
    y[3], mask[3] = np.nan, 0
    kept = mask > 0
    assert np.isnan(value(metric, y, t))
    assert value(metric, y, t, mask) == pytest.approx(value(metric, y[kept], t[kept]), abs=1e-12)


def test_float32_rows_are_added_up_in_float64():
    n = 3000
    y, t = RNG.uniform(size=n).astype(np.float32), RNG.integers(0, 2, n)
    assert value(RocAuc(), y[:, None], t) == pytest.approx(roc_auc_score(t, y), abs=1e-12)


def three_classes(n, val, seed=0):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((n + val, 3)), rng.integers(0, 3, n + val)
    splits = {"train": {"x": x[:n], "y": y[:n]}, "val": {"x": x[n:], "y": y[n:]}}
    return Data(splits, {"x": Field("NF"), "y": Field("N", "label", 3)})


@pytest.mark.usefixtures("compiled_quickly")
def test_both_tiers_read_all_rows_of_a_split(caplog):
    data = three_classes(n=12, val=1030)  # more than one batch of an evaluation
    measures = {name: HeadMetric(metric(), "loss") for name, metric in (("auc", RocAuc), ("ap", AveragePrecision))}
    member = replace(learner(mlp(3), loss=SoftmaxCrossEntropy(), epochs=1, batch_size=4), measures=measures)
    array, compiled = (train([member] * 2, [data], [0, 1], dtype=np.float64, tier=tier) for tier in ("array", "compiled"))
    x, t = (data.splits["val"][name] for name in "xy")
    for one, other in zip(array, compiled, strict=True):
        raw = x @ one.weights["out"]["W"] + one.weights["out"]["b"]
        p = np.exp(raw) / np.exp(raw).sum(-1, keepdims=True)
        wanted = {"val/auc": roc_auc_score(t, p, multi_class="ovr"), "val/ap": average_precision_score(one_hot(t, 3), p)}
        wanted |= {f"train/{name}": one.metrics[f"train/{name}"] for name in measures}
        for outcome in (one, other):
            assert {name: outcome.metrics[name] for name in wanted} == pytest.approx(wanted, abs=1e-9)
    assert "array tier" not in caplog.text


def test_rows_of_replicas_that_stop_are_dropped():
    tally = MetricAccumulator({"auc": HeadMetric(RocAuc(), "loss")})
    ctx, y, t = Context(replicas=(3,), keys=(0, 1, 2)), scores(3, N, 1), RNG.integers(0, 2, (1, N))
    for part in (slice(10), slice(10, N)):
        tally.add_counts("auc", RocAuc().count(y[:, part], t[:, part], ctx), np)
    tally.keep_replicas(np.array([True, False, True]))
    tally.add_counts("auc", RocAuc().count(y[[0, 2], :5], t[:, :5], ctx.but(replicas=(2,))), np)
    wanted = [roc_auc_score([*t[0], *t[0, :5]], [*y[r, :, 0], *y[r, :5, 0]]) for r in (0, 2)]
    assert tally.values(ctx.but(replicas=(2,)))["auc"] == pytest.approx(wanted, abs=1e-12)
