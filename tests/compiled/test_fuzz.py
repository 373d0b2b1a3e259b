"""Random programs of views, in-place writes, broadcasting, gathers and reductions: compiled, they give what NumPy gives."""

import fuzzing
import pytest
from effort import EFFORT

from framework.training.compiled import build

CASES = [(first, 100, "-O0", None) for first in range(0, 200, 100)]
MANY = [(1000 + 100 * i, 100, "-O0", None) for i in range(EFFORT)]
MANY += [(10_000 + 50 * i, 50, "-O3", None) for i in range(EFFORT)]  # with every optimisation
MANY += [(20_000 + 50 * i, 50, "-O0", 80) for i in range(EFFORT)]  # long ones
CASES += [pytest.param(*case, marks=pytest.mark.slow) for case in MANY]


@pytest.mark.parametrize(("first", "count", "level", "length"), CASES)
def test_random_programs_give_what_numpy_gives(first, count, level, length, monkeypatch):
    monkeypatch.setattr(build, "FLAGS", (level, *build.FLAGS[1:]))
    assert not fuzzing.check([fuzzing.Program(seed, length) for seed in range(first, first + count)])
