"""Dropout inside a recurrent layer: one mask of inputs and one of the state for all steps (Gal & Ghahramani 2016)."""

import numpy as np
import pytest
from configs import prepared

from framework import Context
from framework.core.errors import ConfigError
from framework_cells.lstm import Lstm
from framework_cells.simple import Simple
from framework_layers.recurrent import Recurrent

T, N, F, UNITS = 4, 400, 3, 20


def passed(layer, **context):
    p, _ = layer.init(np.random.default_rng(1), (None, F))
    x = np.random.default_rng(2).standard_normal((T, N, F))
    return p, x, *layer.forward(p, x, Context(name="rnn", **context))


def test_one_mask_holds_for_all_steps():
    p, x, y, cache = passed(Recurrent(Simple(UNITS), dropout=0.25, recurrent_dropout=0.4))
    h = np.zeros((N, UNITS))
    for t in range(T):
        h = np.tanh(x[t] * cache.inputs @ p["W"] + p["b"] + h * cache.drop @ p["U"])
        assert np.allclose(y[t], h)
    for mask, keep in ((cache.inputs, 0.75), (cache.drop, 0.6)):
        assert {0, 1 / keep} == set(mask.ravel().tolist())
        assert (mask > 0).mean() == pytest.approx(keep, abs=0.03)


def test_the_memory_of_a_cell_is_not_dropped():
    _, _, _, cache = passed(Recurrent(Lstm(UNITS), recurrent_dropout=0.5))
    assert (cache.drop[:, UNITS:] == 1).all()
    assert (cache.drop[:, :UNITS] == 0).any()


def test_an_evaluation_drops_nothing():
    *_, y, _ = passed(Recurrent(Simple(UNITS), dropout=0.5, recurrent_dropout=0.5), train=False)
    *_, plain, _ = passed(Recurrent(Simple(UNITS)), train=False)
    assert np.array_equal(y, plain)


def test_a_cell_that_adds_to_its_state_has_no_recurrent_dropout():
    with pytest.raises(ConfigError, match=r"model.layers.rnn: recurrent_dropout: not for this cell"):
        prepared("model=gru dataset=weather model.layers.rnn.recurrent_dropout=0.2")
