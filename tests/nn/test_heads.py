"""Losses with weights, and what they judge."""

from dataclasses import dataclass

import numpy as np
import pytest

from framework import Context, Head
from framework.nn.heads import part_weights, total_loss
from framework_losses.half_squared_error import HalfSquaredError
from framework_losses.mse import MeanSquaredError
from framework_losses.softmax_cross_entropy import SoftmaxCrossEntropy

RNG = np.random.default_rng(0)
Y, Z, T = RNG.standard_normal((3, 2, 5, 4))
CTX = Context(replicas=(2,), keys=(0, 1), batch={"y": T, "label": RNG.integers(0, 4, (2, 5))})


@dataclass(frozen=True)
class Difference:
    """J = mean of y_1 - 2 y_2."""

    def __call__(self, y, t, ctx, mask=None):
        assert t is None
        a, b = y
        each = np.ones(a.shape) / a[0].size
        return (a - 2 * b).mean((-2, -1)), (each, -2 * each)


def test_one_head_is_its_loss():
    value, dvalues = total_loss({"loss": Head(HalfSquaredError(), "out")}, {"out": Y}, CTX)
    loss, dy = HalfSquaredError()(Y, T, CTX)
    assert np.array_equal(value, loss)
    assert value.shape == (2,)
    assert np.array_equal(dvalues["out"], dy)


def test_B11_L5_heads_add_up_with_their_weights():
    heads = {"a": Head(MeanSquaredError(), "p"), "b": Head(SoftmaxCrossEntropy(), "q", target="label", weight=0.25)}
    value, dvalues = total_loss(heads, {"p": Y, "q": Z}, CTX)
    (a, da), (b, db) = MeanSquaredError()(Y, T, CTX), SoftmaxCrossEntropy()(Z, CTX.batch["label"], CTX)
    assert value == pytest.approx(a + 0.25 * b, abs=1e-15)
    assert np.array_equal(dvalues["p"], da)
    assert dvalues["q"] == pytest.approx(0.25 * db, abs=1e-15)


def test_two_heads_on_one_node_add_their_gradients():
    heads = {"a": Head(MeanSquaredError(), "p"), "b": Head(HalfSquaredError(), "p", weight=3.0)}
    _, dvalues = total_loss(heads, {"p": Y}, CTX)
    expected = MeanSquaredError()(Y, T, CTX)[1] + 3 * HalfSquaredError()(Y, T, CTX)[1]
    assert dvalues["p"] == pytest.approx(expected, abs=1e-15)


def test_a_weight_per_replica():
    value, dvalues = total_loss({"a": Head(MeanSquaredError(), "p", weight=np.array([1.0, 10.0]))}, {"p": Y}, CTX)
    loss, dy = MeanSquaredError()(Y, T, CTX)
    assert value == pytest.approx(loss * [1, 10], abs=1e-15)
    assert dvalues["p"] == pytest.approx(dy * np.array([1, 10])[:, None, None], abs=1e-15)


def test_a_pair_loss_reads_two_nodes_and_no_target():
    head = Head(Difference(), ("p", "q"), target=None, weight=2.0)
    value, dvalues = total_loss({"pair": head}, {"p": Y, "q": Z}, CTX)
    assert value == pytest.approx(2 * (Y - 2 * Z).mean((-2, -1)), abs=1e-15)
    assert np.allclose(dvalues["p"], 2 / 20)
    assert np.allclose(dvalues["q"], -4 / 20)


def test_a_pair_of_one_node_with_itself_adds_both_gradients():
    _, dvalues = total_loss({"pair": Head(Difference(), ("p", "p"), target=None)}, {"p": Y}, CTX)
    assert np.allclose(dvalues["p"], -1 / 20)


def test_means_are_scaled_by_the_share_of_the_batch_and_sums_are_not():
    for reduction, factor in (("mean", 0.25), ("sum", 1.0)):
        heads = {"a": Head(MeanSquaredError(reduction), "p", weight=2.0)}
        whole, dwhole = total_loss(heads, {"p": Y}, CTX)
        part, dpart = total_loss(heads, {"p": Y}, CTX, part_weights(heads, {}, {}, 0.25, CTX))
        assert part == pytest.approx(factor * whole, abs=1e-15)
        assert dpart["p"] == pytest.approx(factor * dwhole["p"], abs=1e-15)


def test_the_mask_is_the_field_the_head_names():
    mask = np.array([[1.0, 1, 0, 0, 0], [0, 1, 1, 1, 1]])
    ctx = Context(replicas=(2,), keys=(0, 1), batch={"y": T, "mask": mask, "weights": 1 - mask})
    for name, weights in (("mask", mask), ("weights", 1 - mask), (None, None), ("absent", None)):
        value, _ = total_loss({"a": Head(MeanSquaredError(), "p", mask=name)}, {"p": Y}, ctx)
        assert np.array_equal(value, MeanSquaredError()(Y, T, ctx, weights)[0])


def test_the_prediction_is_the_losss_reading_of_the_output():
    values = {"p": Z}
    softmax = Head(SoftmaxCrossEntropy(), "p", target="label").prediction(values, CTX)
    assert softmax.sum(-1) == pytest.approx(np.ones((2, 5)), abs=1e-15)
    assert Head(MeanSquaredError(), "p").prediction(values, CTX) is Z


def test_outputs_stay_as_they_are():
    before = Y.copy()
    total_loss({"a": Head(MeanSquaredError(), "p"), "b": Head(HalfSquaredError(), "p", weight=3.0)}, {"p": Y}, CTX)
    assert np.array_equal(Y, before)
