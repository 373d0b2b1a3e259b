"""A Gaussian likelihood: mean and log variance from one layer, whose width the loss sets."""

import numpy as np
import pytest
from configs import assembled, messages
from networks import differences

from framework import Context
from framework.core.errors import ConfigError
from framework_losses.gaussian_nll import GaussianNll

RNG = np.random.default_rng(0)


def test_it_is_minus_the_log_of_the_density():
    y, t = RNG.standard_normal((4, 6)), RNG.standard_normal((4, 3))
    m, variance = y[:, :3], np.exp(y[:, 3:])
    density = np.exp(-((t - m) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)
    value, dy = GaussianNll()(y, t, Context())
    assert value == pytest.approx(-np.log(density).mean(), rel=1e-12)
    assert np.abs(dy - differences(lambda: float(GaussianNll()(y, t, Context())[0]), y)).max() < 1e-9


def test_the_best_constant_variance_is_the_mean_squared_error():
    m, t = RNG.standard_normal((50, 1)), RNG.standard_normal((50, 1))
    mse = ((m - t) ** 2).mean()
    value, dy = GaussianNll()(np.concatenate([m, np.full_like(m, np.log(mse))], -1), t, Context())
    assert value == pytest.approx((1 + np.log(2 * np.pi * mse)) / 2)
    assert dy[:, 1].sum() == pytest.approx(0, abs=1e-12)


def test_a_variance_below_the_floor_has_no_gradient():
    y = np.array([[0.0, -50.0]])
    value, dy = GaussianNll(floor=-2.0)(y, np.zeros((1, 1)), Context())
    assert value == pytest.approx((np.log(2 * np.pi) - 2) / 2)
    assert dy.tolist() == [[0, 0]]


def test_units_auto_follow_the_loss():
    found = assembled("{loss: gaussian_nll}")
    assert found.network.nodes["out"].layer.units == 2
    assert found.network.shapes["out"] == (2,)


def test_another_width_is_rejected():
    with pytest.raises(ConfigError, match=r"model\.layers\.out: it has 1 outputs, but head 'loss' needs 2"):
        assembled("{loss: gaussian_nll, model/layers/out/units: 1}")
    assert messages("{loss: {type: gaussian_nll, floor: x}}") == ["loss.floor: 'x' is not a number"]


def test_a_metric_of_another_width_is_rejected():
    with pytest.raises(ConfigError, match=r"metrics\.loss: LossMetric needs 1 outputs for the target 'y', but 'out' has 2"):
        assembled("{loss: gaussian_nll, metrics: [loss]}")
