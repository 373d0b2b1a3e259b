"""Metrics of real targets against scikit-learn: several columns, weights, batches, and targets far from 0 in float32."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from networks import learner, mlp, regression
from sklearn import metrics as theirs

from framework import Context
from framework.inference.evaluation import HeadMetric, MetricAccumulator
from framework.training.trainer import train
from framework_metrics.mae import MeanAbsoluteErrorMetric
from framework_metrics.mape import MeanAbsolutePercentageError
from framework_metrics.mse import MeanSquaredErrorMetric
from framework_metrics.r2 import R2
from framework_metrics.rmse import RootMeanSquaredError

RNG = np.random.default_rng(0)
METRICS = {
    MeanAbsoluteErrorMetric(): theirs.mean_absolute_error,
    MeanSquaredErrorMetric(): theirs.mean_squared_error,
    RootMeanSquaredError(): lambda t, y, **more: theirs.mean_squared_error(t, y, **more) ** 0.5,
    MeanAbsolutePercentageError(): theirs.mean_absolute_percentage_error,
    R2(): theirs.r2_score,
}
N = 50
CTX = Context()


def value(metric, *batches, ctx=CTX):
    """Of batches (y, t, mask) that are measured one after the other."""
    tally = MetricAccumulator({"it": HeadMetric(metric, "loss")})
    for y, t, *mask in batches:
        tally.add_counts("it", metric.count(y, t, ctx, *mask), np)
    return tally.values(ctx)["it"]


def numbers(*shape, at=1.0, dtype=float):
    t = at + RNG.standard_normal(shape)
    return (t + 0.5 * RNG.standard_normal(shape)).astype(dtype), t.astype(dtype)


@pytest.mark.parametrize("metric", METRICS, ids=type)
@pytest.mark.parametrize("columns", [1, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_values_are_those_of_scikit_learn(metric, columns, weighted):
    y, t = numbers(N, columns)
    w = RNG.uniform(0, 2, N) * (RNG.uniform(size=N) < 0.7) if weighted else np.ones(N)
    wanted = METRICS[metric](t, y, sample_weight=w)
    cuts = (slice(1), slice(1, 30), slice(30, N))
    assert value(metric, (y, t, w)) == pytest.approx(wanted, rel=1e-12)
    assert value(metric, *((y[at], t[at], w[at]) for at in cuts)) == pytest.approx(wanted, rel=1e-12)
    assert weighted or value(metric, (y, t)) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("metric", METRICS, ids=type)
def test_targets_near_100000_keep_their_digits_in_float32(metric):
    y, t = numbers(5000, 2, at=1e5, dtype=np.float32)
    wanted = METRICS[metric](t.astype(float), y.astype(float))
    parts = [(y[at : at + 700], t[at : at + 700]) for at in range(0, 5000, 700)]
    assert value(metric, *parts) == pytest.approx(wanted, rel=2e-6)


def test_r2_of_batches_with_different_means_is_that_of_all():
    y, t = numbers(N, 1)
    t = np.sort(t, 0) * 1e6
    wanted = theirs.r2_score(t, y)
    assert value(R2(), *((y[at : at + 7], t[at : at + 7]) for at in range(0, N, 7))) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_r2_of_equal_targets_is_1_or_0(dtype):
    t = np.full((7, 1), 0.1, dtype)
    mask = np.array([1, 0, 0.3, 1, 1, 1, 0.7], dtype)
    right, wrong = ([(y[:3], t[:3], mask[:3]), (y[3:], t[3:], mask[3:])] for y in (t, t + dtype(1)))
    assert (value(R2(), *right), value(R2(), *wrong)) == (1, 0)


@pytest.mark.parametrize("metric", METRICS, ids=type)
def test_nan_counts_where_the_mask_does(metric):
    y, t = numbers(N, 2)
    y[3, 0], kept = np.nan, np.arange(N) != 3
    assert np.isnan(value(metric, (y, t)))
    assert value(metric, (y, t, kept * 1.0)) == pytest.approx(value(metric, (y[kept], t[kept])), rel=1e-12)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        assert np.isnan(value(metric, (y, t, np.zeros(N))))


@pytest.mark.parametrize("metric", METRICS, ids=type)
def test_replicas_that_share_targets_are_measured_apart(metric):
    (y, t), mask = numbers(2, 4, N, 3), RNG.integers(0, 2, (1, 4, N)) * 1.0
    found = value(metric, (y, t[:1], mask), ctx=Context(replicas=(2,), keys=(0, 1)))
    alone = [value(metric, (y[r], t[0], mask[0])) for r in range(2)]
    assert list(found) == pytest.approx(alone, rel=1e-12)


@pytest.mark.usefixtures("compiled_quickly")
def test_both_tiers_measure_the_same():
    data = regression(n=11, val=9)
    measures = {type(metric).__name__: HeadMetric(metric, "loss") for metric in METRICS}
    member = replace(learner(mlp(2), epochs=2, batch_size=11), measures=measures)
    array, compiled = (train([member], [data], [0], dtype=np.float64, tier=tier)[0] for tier in ("array", "compiled"))
    assert array.metrics == pytest.approx(compiled.metrics, rel=1e-9)
    assert array.metrics["val/MeanSquaredErrorMetric"] == pytest.approx(array.metrics["val/loss"], rel=1e-12)
