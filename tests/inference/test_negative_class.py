"""Precision, recall and F1 of all classes but a negative one, against counts written example by example."""

import numpy as np
import pytest
from configs import prepared

from framework import Context
from framework.core.errors import ConfigError
from framework_metrics.f1 import F1
from framework_metrics.precision import Precision
from framework_metrics.recall import Recall

CTX = Context()
RNG = np.random.default_rng(0)


def one_hot(ids, K):
    return (np.asarray(ids)[..., None] == np.arange(K)).astype(float)


def evaluated(true, guessed, weights, negative):
    """Precision, recall and F1, example by example."""
    right = predicted = present = 0.0
    for t, g, w in zip(true, guessed, weights, strict=True):
        right += w if t == g != negative else 0
        predicted += w if g != negative else 0
        present += w if t != negative else 0
    p, r = (right / n if n else 0.0 for n in (predicted, present))
    return p, r, 2 * p * r / (p + r) if p + r else 0.0


def values(y, t, mask=None, negative=0, ctx=CTX):
    return [m.value(m.count(y, np.asarray(t), ctx, mask)) for m in (Precision(negative), Recall(negative), F1(negative))]


@pytest.mark.parametrize("negative", [0, 2])
def test_values_are_those_of_counting_example_by_example(negative):
    for n in (1, 3, 10, 200):
        for _ in range(50):
            true, guessed, weights = RNG.integers(0, 4, n), RNG.integers(0, 4, n), RNG.integers(0, 3, n)
            found = values(one_hot(guessed, 4), true, weights * 1.0, negative)
            assert found == pytest.approx(evaluated(true, guessed, weights, negative), abs=1e-15)


def test_a_wrong_relation_is_wrong_twice_and_a_right_null_never_counts():
    true, guessed = [0, 0, 1, 2, 3, 3], [0, 1, 1, 3, 3, 0]
    assert values(one_hot(guessed, 4), true) == pytest.approx([2 / 4, 2 / 4, 1 / 2])
    more = values(one_hot([*guessed, 0, 0], 4), [*true, 0, 0])
    assert more == pytest.approx([1 / 2, 1 / 2, 1 / 2])


def test_of_two_classes_it_is_the_f1_of_class_1():
    true, scores = [1, 1, 1, 0, 0], np.array([0.9, 0.8, 0.2, 0.7, 0.1])
    assert values(scores[:, None], true) == pytest.approx([2 / 3, 2 / 3, 2 / 3])
    assert values(np.stack([1 - scores, scores], -1), true) == pytest.approx([2 / 3, 2 / 3, 2 / 3])


def test_without_positives_the_values_are_0():
    assert values(one_hot([0, 0], 3), [0, 0]) == [0, 0, 0]
    assert values(one_hot([0, 0], 3), [0, 1]) == [0, 0, 0]


def test_nan_counts_where_the_mask_does():
    y = one_hot([1, 1], 3)
    y[1] = np.nan
    assert np.isnan(values(y, [1, 1])).all()
    assert values(y, [1, 1], np.array([1.0, 0.0])) == [1, 1, 1]


def test_steps_of_sequences_and_replicas_are_counted_apart():
    true, guessed = RNG.integers(0, 3, (1, 4, 5)), RNG.integers(0, 3, (2, 4, 5))
    ctx = Context(replicas=(2,), keys=(0, 1))
    found = np.array(values(one_hot(guessed, 3), true, ctx=ctx))
    for r in range(2):
        assert found[:, r] == pytest.approx(evaluated(true.ravel(), guessed[r].ravel(), np.ones(20), 0))


def test_a_class_that_does_not_exist_is_rejected():
    with pytest.raises(ValueError, match=r"negative: there are 3 classes \(got 3\); allowed: 0 ... 2"):
        F1(3).count(one_hot([0], 3), np.array([0]), CTX)
    with pytest.raises(ConfigError, match=r"metrics.f1.negative: there are 10 classes \(got 10\); allowed: 0 ... 9"):
        prepared("model=mlp metrics=[{type:f1,negative:10}]")
    with pytest.raises(ConfigError, match=r"metrics.f1.negative: -1"):
        prepared("model=mlp metrics=[{type:f1,negative:-1}]")
