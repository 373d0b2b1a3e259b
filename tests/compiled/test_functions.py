"""The functions of compiled steps: how far they are from the exact values, in units of the last place."""

import numpy as np
import pytest
from compiling import compiled

rng = np.random.default_rng(0)
N = 20_000
RANGES = {
    "exp": np.concatenate([rng.uniform(-87, 88, N), rng.uniform(-1, 1, N)]),
    "log": np.concatenate([10 ** rng.uniform(-30, 30, N), rng.uniform(0.5, 2, N)]),
    "tanh": np.concatenate([rng.uniform(-10, 10, N), rng.uniform(-0.5, 0.5, N), 10 ** rng.uniform(-8, -1, N)]),
    "sqrt": 10 ** rng.uniform(-30, 30, N),
}


def places(found, exact):
    """The distance in units of the last place of the type."""
    unit = np.spacing(np.abs(exact).astype(found.dtype)).astype(np.longdouble)
    return np.abs(found.astype(np.longdouble) - exact) / unit


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", RANGES)
def test_functions_are_within_two_last_places(name, dtype):
    x = RANGES[name].astype(dtype)
    (found,) = compiled(lambda xp, x: [getattr(xp, name)(x)], {"x": x})
    error = places(found, getattr(np, name)(x.astype(np.longdouble)))
    assert error.max() <= 2


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_sigmoid_of_gates_is_within_its_rounding(dtype):
    x = rng.uniform(-10, 10, N).astype(dtype)
    (found,) = compiled(lambda xp, x: [0.5 + 0.5 * xp.tanh(0.5 * x)], {"x": x})
    exact = 1 / (1 + np.exp(-x.astype(np.longdouble)))
    assert np.abs(found - exact).max() <= 1.5 * np.finfo(dtype).eps  # of numbers between 0 and 1


@pytest.mark.parametrize("name", ["exp", "log", "tanh", "sqrt"])
def test_ends_of_the_range_are_those_of_numpy(name):
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40, 89.0, -104.0, 3e38], np.float32)
    (found,) = compiled(lambda xp, x: [getattr(xp, name)(x)], {"x": x})
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(x)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-37)
