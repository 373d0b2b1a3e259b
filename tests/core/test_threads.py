"""How many threads a matrix product runs on."""

import numpy as np
from threadpoolctl import ThreadpoolController

from framework import Context, discover
from framework.core.threads import blas_in_loop, blas_limited


def fewest():
    """Threads of NumPy's BLAS. Others may have been loaded later, by SciPy; they have more."""
    return min(library["num_threads"] for library in ThreadpoolController().select(user_api="blas").info())


def test_small_products_in_a_loop_stay_on_one_thread():
    with blas_limited(2):
        with blas_in_loop(32 * 128 * 512):
            assert fewest() == 1
        assert fewest() == 2
        with blas_in_loop(20 * 650 * 2600):
            assert fewest() == 2


def test_a_small_recurrent_layer_steps_on_one_thread(monkeypatch):
    get, seen = discover().get, []
    gru = get("cell", "gru")
    step, back = gru.step, gru.back
    monkeypatch.setattr(gru, "step", lambda *args: (seen.append(fewest()), step(*args))[1])
    monkeypatch.setattr(gru, "back", lambda *args: (seen.append(fewest()), back(*args))[1])
    layer, ctx, generator = get("layer", "recurrent")(gru(2)), Context(), np.random.default_rng(0)
    with blas_limited(2):
        p, _ = layer.init(generator, (None, 3))
        y, cache = layer.forward(p, generator.standard_normal((4, 5, 3)), ctx)
        layer.backward(p, cache, y, ctx)
        assert fewest() == 2
    assert seen == [1] * 8
