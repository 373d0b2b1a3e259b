"""Metrics of classes and label columns against scikit-learn: averages, values per class, weights of examples."""

import numpy as np
import pytest
from configs import prepared
from sklearn import metrics as sklearn_metrics

from framework import Context
from framework.core.errors import ConfigError
from framework_metrics.accuracy import Accuracy
from framework_metrics.balanced_accuracy import BalancedAccuracy
from framework_metrics.f1 import F1
from framework_metrics.matthews import Matthews
from framework_metrics.precision import Precision
from framework_metrics.recall import Recall
from framework_metrics.top_k_accuracy import TopKAccuracy

RNG = np.random.default_rng(0)
OURS = {"f1": F1, "precision": Precision, "recall": Recall}
THEIRS = {name: getattr(sklearn_metrics, f"{name}_score") for name in OURS}
N = 40


def predictions(K, absent=None):
    """Probabilities and classes, of which one may never occur."""
    y = RNG.dirichlet(np.ones(K), N)
    t = RNG.integers(0, K, N)
    if absent is not None:
        y[:, absent], t[t == absent] = 0, (absent + 1) % K
    return y, t


def value(metric, y, t, mask=None):
    return metric.value(metric.count(y, t, Context(), mask))


@pytest.mark.parametrize("average", ["macro", "weighted"])
@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("absent", [None, 2])
def test_means_over_classes_are_those_of_scikit_learn(name, average, absent):
    (y, t), weights = predictions(4, absent), RNG.uniform(0.5, 2, N)
    options = {"average": average, "zero_division": 0}
    found = [value(OURS[name](average=average), y, t, mask) for mask in (None, weights)]
    wanted = [THEIRS[name](t, y.argmax(-1), sample_weight=mask, **options) for mask in (None, weights)]
    assert found == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("average", ["micro", "macro", "weighted"])
@pytest.mark.parametrize("name", OURS)
def test_label_columns_are_averaged_like_classes(name, average):
    y, t, weights = RNG.uniform(size=(N, 3)), RNG.integers(0, 2, (N, 3)), RNG.uniform(0.5, 2, N)
    wanted = THEIRS[name](t, y > 0.5, average=average, zero_division=0, sample_weight=weights)
    assert value(OURS[name](average=average), y, t, weights) == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("name", OURS)
def test_micro_is_that_of_scikit_learn_without_a_class(name):
    y, t = predictions(4)
    wanted = THEIRS[name](t, y.argmax(-1), labels=[0, 1, 3], average="micro")
    assert value(OURS[name](2), y, t) == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("columns", [False, True])
def test_the_value_of_each_class_is_a_part(name, columns):
    y, t = (RNG.uniform(size=(N, 3)), RNG.integers(0, 2, (N, 3))) if columns else predictions(3)
    metric = OURS[name](names=("a", "b", "c"))
    found = metric.parts(metric.count(y, t, Context()))
    wanted = THEIRS[name](t, y > 0.5 if columns else y.argmax(-1), average=None)
    assert list(found) == ["a", "b", "c"]
    assert list(found.values()) == pytest.approx(list(wanted), abs=1e-12)


def test_without_names_the_parts_are_numbered():
    metric = F1()
    assert list(metric.parts(metric.count(*predictions(4), Context()))) == ["0", "1", "2", "3"]
    assert list(metric.parts(metric.count(np.array([[0.9]]), np.array([1]), Context()))) == ["0", "1"]


def test_a_prediction_of_nan_makes_every_average_nan():
    y, t = predictions(3)
    y[4] = np.nan
    for metric in (F1(), F1(average="macro"), Recall(average="weighted")):
        assert np.isnan(value(metric, y, t))
        assert not np.isnan(value(metric, y, t, (np.arange(N) != 4) * 1.0))


def test_the_names_of_the_classes_come_from_the_data():
    metric = prepared("model=mlp dataset=wine metrics=[f1]").learner.measures["f1"].metric
    assert metric.names == ("0", "1", "2")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("average:macro,negative:1", r"metrics.f1: negative: average=macro reads all classes \(got 1\); allowed: 0"),
        ("names:[a,b]", r"metrics.f1.names: 'y' has 3 classes \(got 2 names\)"),
        ("negative:3", r"metrics.f1.negative: there are 3 classes \(got 3\); allowed: 0 ... 2; the target is 'y'"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        prepared(f"model=mlp dataset=wine metrics=[{{type:f1,{options}}}]")


def test_label_columns_have_no_negative_class():
    with pytest.raises(ValueError, match=r"negative: label columns have no negative class \(got 1\); allowed: 0"):
        F1(1).count(np.ones((2, 3)), np.ones((2, 3)), Context())


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("K", [2, 4])
@pytest.mark.parametrize("name", ["balanced_accuracy_score", "matthews_corrcoef"])
def test_rare_classes_count_as_in_scikit_learn(name, K, weighted):
    metric = BalancedAccuracy() if name == "balanced_accuracy_score" else Matthews()
    (y, t), mask = predictions(K), RNG.uniform(0.5, 2, N) if weighted else None
    wanted = getattr(sklearn_metrics, name)(t, y.argmax(-1), sample_weight=mask)
    assert value(metric, y, t, mask) == pytest.approx(wanted, abs=1e-12)
    assert K > 2 or value(metric, y[:, 1:], t, mask) == pytest.approx(wanted, abs=1e-12)


def test_a_class_that_is_never_true_has_no_recall_to_average():
    y, t = predictions(3)
    t[t == 1] = 0
    with pytest.warns(UserWarning, match="y_pred contains classes not in y_true"):
        wanted = sklearn_metrics.balanced_accuracy_score(t, y.argmax(-1))
    assert value(BalancedAccuracy(), y, t) == pytest.approx(wanted, abs=1e-12)


def test_always_the_largest_class_is_chance():
    y, t = np.tile([0.9, 0.1, 0], (10, 1)), np.array([0] * 8 + [1, 2])
    assert [value(m, y, t) for m in (Accuracy(), BalancedAccuracy(), Matthews())] == pytest.approx([0.8, 1 / 3, 0])


def test_correlation_of_one_class_is_that_against_the_others():
    y, t = predictions(3)
    parts = Matthews().parts(Matthews().count(y, t, Context()))
    wanted = {str(k): sklearn_metrics.matthews_corrcoef(t == k, y.argmax(-1) == k) for k in range(3)}
    assert parts == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_the_class_is_among_the_k_most_likely_ones(k):
    (y, t), weights = predictions(4), RNG.uniform(0.5, 2, N)
    wanted = sklearn_metrics.top_k_accuracy_score(t, y, k=k, sample_weight=weights)
    assert value(TopKAccuracy(k), y, t, weights) == pytest.approx(wanted, abs=1e-12)


def test_of_equal_predictions_the_smaller_class_comes_first():
    y = np.array([[0.2, 0.4, 0.4, 0.0]] * 4)
    found = [[value(TopKAccuracy(k), y[:1], np.array([t])) for t in range(4)] for k in (1, 2, 3)]
    assert found == [[0, 1, 0, 0], [0, 1, 1, 0], [1, 1, 1, 0]]


def test_k_must_be_less_than_the_number_of_classes():
    with pytest.raises(ConfigError, match=r"metrics.top_k_accuracy.k: there are 3 classes \(got 5\); allowed: 1 ... 2"):
        prepared("model=mlp dataset=wine metrics=[top_k_accuracy]")
