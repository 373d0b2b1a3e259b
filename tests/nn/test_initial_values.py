"""Fans of initializers, the truncated normal distribution, and initial biases."""

from dataclasses import replace

import numpy as np
import pytest
from configs import prepared

from framework.core.errors import ConfigError
from framework_initializers.he_normal import HeNormal
from framework_initializers.he_uniform import HeUniform
from framework_initializers.lecun_normal import LecunNormal
from framework_initializers.lecun_uniform import LecunUniform
from framework_initializers.truncated_normal import TruncatedNormal
from framework_initializers.xavier_normal import XavierNormal
from framework_initializers.xavier_uniform import XavierUniform
from framework_layers.conv1d import Conv1d
from framework_layers.conv2d import Conv2d
from framework_layers.dense import Dense


def drawn(initializer, shape=(8, 18), fans=None):
    return initializer(np.random.default_rng(0), shape, fans)


@pytest.mark.parametrize("initializer", [HeNormal(), HeUniform(), LecunNormal(), LecunUniform()])
def test_a_mode_names_the_fan_that_scales(initializer):
    """fan_out = 18 is 9/4 of fan_in = 8, and fan_avg = 13 is between them: the same numbers, scaled."""
    W = drawn(initializer)
    assert drawn(replace(initializer, mode="fan_out")) == pytest.approx(W * (2 / 3), rel=1e-14)
    assert drawn(replace(initializer, mode="fan_avg")) == pytest.approx(W * (8 / 13) ** 0.5, rel=1e-14)
    given = drawn(replace(initializer, mode="fan_out"), fans=(2, 32))
    assert given == pytest.approx(W / 2, rel=1e-14)


def test_xavier_is_lecun_with_the_mean_of_both_fans():
    for xavier, lecun in ((XavierNormal(), LecunNormal(mode="fan_avg")), (XavierUniform(), LecunUniform(mode="fan_avg"))):
        assert drawn(xavier) == pytest.approx(drawn(lecun), rel=1e-14)


@pytest.mark.parametrize(("cut", "spread"), [(2.0, 0.879625661034), (1.0, 0.539560093755), (10.0, 1.0)])
def test_truncated_normal_weights_have_the_spread_of_theory(cut, spread):
    """The spread is sqrt(1 - 2 c phi(c) / (2 Phi(c) - 1)); of 40,000 numbers it is accurate to 1 %."""
    W = drawn(TruncatedNormal(0.5, cut), (200, 200))
    assert np.abs(W).max() <= 0.5 * cut
    assert W.std() == pytest.approx(0.5 * spread, rel=0.01)
    corrected = drawn(TruncatedNormal(0.5, cut, correct=True), (200, 200))
    assert corrected == pytest.approx(W / spread, rel=1e-10)


LAYERS = [(Dense(3), (4,), 4), (Conv2d(3), (2, 5, 4), 18), (Conv1d(3), (9, 4), 12)]


@pytest.mark.parametrize(("layer", "shape", "fan"), LAYERS)
def test_biases_are_drawn_with_the_fans_of_the_weights(layer, shape, fan):
    plain, _ = layer.init(np.random.default_rng(1), shape)
    assert not plain["b"].any()
    uniform = LecunUniform(gain=3**-0.5)  # U(-1 / sqrt(n), 1 / sqrt(n)), PyTorch's default for W and b
    p, _ = replace(layer, bias_initializer=uniform).init(np.random.default_rng(1), shape)
    assert np.array_equal(p["W"], plain["W"])  # b is drawn after W
    assert 0.3 * fan**-0.5 < np.abs(p["b"]).max() <= fan**-0.5
    assert p["b"].shape == (1, 3)


def test_the_initializer_of_weights_is_not_that_of_biases():
    words = "model=mlp dataset=xor initializer=normal model.layers.hidden.bias_initializer.type=constant"
    p = prepared(f"{words} model.layers.hidden.bias_initializer.value=0.5").learner.network.init(0)[0]
    assert (p["hidden"]["b"] == 0.5).all()
    assert (p["out"]["b"] == 0).all()


def test_initial_values_of_a_missing_bias_are_refused():
    words, key = "model=mlp dataset=xor model.layers.hidden.bias=false", "model.layers.hidden.bias_initializer"
    prepared(words)
    with pytest.raises(ConfigError, match=r"hidden.*bias_initializer: there is no b \(bias: false\); remove this key"):
        prepared(f"{words} {key}.type=constant {key}.value=1")
