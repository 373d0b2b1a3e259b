"""Random programs of views, in-place writes, broadcasting, gathers and reductions: compiled, they give what NumPy gives."""

import fuzzing
import pytest
from effort import EFFORT

from framework.testing import shim
from framework.training.compiled import build

CASES = [(first, 100, "-O0", None) for first in range(0, 200, 100)]
MANY = [(1000 + 50 * i, 50, "-O0", None) for i in range(EFFORT)]
MANY += [(10_000 + 30 * i, 30, "-O3", None) for i in range(EFFORT)]  # with every optimisation
MANY += [(20_000 + 30 * i, 30, "-O0", 80) for i in range(EFFORT)]  # long ones
CASES += [pytest.param(*case, marks=pytest.mark.slow) for case in MANY]

ON_GPU = [(0, 12, True), (12, 12, False)]
ON_GPU += [pytest.param(100 * EFFORT, 50 * EFFORT, whole, marks=pytest.mark.slow) for whole in (True, False)]


@pytest.mark.parametrize(("first", "count", "level", "length"), CASES)
def test_random_programs_give_what_numpy_gives(first, count, level, length, monkeypatch):
    monkeypatch.setattr(build, "FLAGS", (level, *build.FLAGS[1:]))
    assert not fuzzing.check([fuzzing.Program(seed, length) for seed in range(first, first + count)])


@pytest.mark.parametrize(("first", "count", "whole"), ON_GPU)
def test_random_programs_give_on_a_gpu_what_numpy_gives(first, count, whole, monkeypatch):
    monkeypatch.setattr(shim, "FLAGS", ("-O0", *shim.FLAGS[1:]))
    assert not fuzzing.check([fuzzing.Program(seed) for seed in range(first, first + count)], whole)
