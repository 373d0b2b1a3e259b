"""Random programs of views, in-place writes, broadcasting, gathers and reductions: compiled, they give what NumPy gives."""

import fuzzing
import pytest

from framework.training.compiled import build


@pytest.mark.parametrize("first", range(0, 200, 100))
def test_random_programs_give_what_numpy_gives(first, monkeypatch):
    monkeypatch.setattr(build, "FLAGS", ("-O0", *build.FLAGS[1:]))
    assert not fuzzing.check([fuzzing.Program(seed) for seed in range(first, first + 100)])


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1000, 3000, 100))
def test_thousands_of_random_programs(first, monkeypatch):
    monkeypatch.setattr(build, "FLAGS", ("-O0", *build.FLAGS[1:]))
    assert not fuzzing.check([fuzzing.Program(seed) for seed in range(first, first + 100)])


@pytest.mark.slow
@pytest.mark.parametrize("first", range(3000, 3300, 50))
def test_random_programs_with_every_optimisation(first, monkeypatch):
    monkeypatch.setattr(build, "FLAGS", ("-O3", *build.FLAGS[1:]))
    assert not fuzzing.check([fuzzing.Program(seed) for seed in range(first, first + 50)])


@pytest.mark.slow
@pytest.mark.parametrize("first", range(4000, 4200, 50))
def test_long_random_programs(first, monkeypatch):
    monkeypatch.setattr(build, "FLAGS", ("-O0", *build.FLAGS[1:]))
    assert not fuzzing.check([fuzzing.Program(seed, length=80) for seed in range(first, first + 50)])
