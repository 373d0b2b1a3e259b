"""The benchmark of an update alone: its compiled form is the update of the optimizer."""

from contextlib import nullcontext

import numpy as np
import pytest

from benchmarks.optimizer_update import learner, numbers, updating


@pytest.mark.parametrize("name", ["adam", "momentum"])
def test_every_way_makes_the_same_update(name):
    found = []
    for way in ("array", "blocks", "compiled"):
        w, g = numbers(40_000)
        update = updating(way, learner(name), w, g)
        with update.shared() if way == "compiled" else nullcontext():
            update()
        update()
        found.append(w)
    np.testing.assert_allclose(found[1], found[0])
    np.testing.assert_allclose(found[2], found[0], rtol=1e-5, atol=1e-7)
