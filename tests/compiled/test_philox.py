"""Random numbers of compiled steps: the bits of the array tier, drawn in C."""

import ctypes

import numpy as np
import pytest
from networks import learner, regression
from tiers import agree

from framework import Network, discover, train
from framework.core.random import generator, philox_key, uniform
from framework.training.compiled import traced
from framework.training.compiled.build import load
from framework.training.compiled.functions import PREAMBLE
from framework.training.compiled.philox import PHILOX
from framework_optimizers.sgd import Sgd

get = discover().get


@pytest.mark.parametrize(("key", "step", "draw"), [(0, 0, 0), ((3, 1), 17, 5 + (2 << 44)), (12345, 10**6, 1 << 32)])
def test_uniform_numbers_have_the_bits_of_numpy(key, step, draw):
    library = load(PREAMBLE + PHILOX.replace("static NOINLINE", ""))
    words = np.array(philox_key(key, "dropout"), np.uint64)
    for n in (1, 7, 8, 9, 1001):
        found = np.zeros(n, np.float32)
        at, of = (ctypes.c_void_p(a.ctypes.data) for a in (found, words))
        library.uniform(at, ctypes.c_int64(n), of, ctypes.c_uint64(draw), ctypes.c_uint64(step))
        assert (found == uniform(generator(key, "dropout", step, draw), (n,))).all()


def member():
    layer = get("layer", "dense")
    nodes = {
        "hidden": layer(9),
        "drop": get("layer", "dropout")(0.4),
        "again": get("layer", "dropout")(0.2),
        "out": layer(1),
    }
    data = regression(20, outputs=1)
    return learner(Network(nodes, data.shapes()), Sgd(lr=0.001), batch_size=8, epochs=3), data


def test_dropout_trains_as_in_the_array_tier():
    one, data = member()
    agree([one, one, one], data, keys=[4, (4, 1), 5], threads=2)


def test_a_compiled_step_draws_without_python(monkeypatch):
    monkeypatch.setattr(traced.Draw, "numbers", None)
    one, data = member()
    train([one], [data], [0], tier="compiled")
