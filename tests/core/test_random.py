"""Every draw is a pure function of what it is for."""

import itertools

import numpy as np
import pytest

from framework import generator


def test_the_same_purpose_gives_the_same_numbers():
    a, b = (generator(3, "drop", 7, 2).random(100) for _ in range(2))
    assert np.array_equal(a, b)


def test_drawing_leaves_no_trace():
    generator(3, "drop").random(1000)
    first = generator(3, "drop").random(5)
    generator(3, "drop", 1).random(3)
    assert np.array_equal(generator(3, "drop").random(5), first)


@pytest.mark.parametrize(
    "other",
    [(4, "drop", 7, 2), (3, "drop2", 7, 2), (3, "drop", 8, 2), (3, "drop", 7, 3), (3, "drop", 2, 7), ((3,), "drop", 7, 2)],
)
def test_another_key_name_step_or_draw_gives_other_numbers(other):
    assert not np.intersect1d(generator(3, "drop", 7, 2).random(1000), generator(*other).random(1000)).size


def test_a_member_of_a_study_has_numbers_of_its_own():
    keys = [0, 1, (0, 0), (0, 1), (1, 0), (0, 0, 1)]
    draws = [generator(key, "init/hidden").random() for key in keys]
    assert len(set(draws)) == len(keys)


def test_consecutive_draws_and_steps_never_overlap():
    long = generator(0, "noise").random(200_000)
    for step, draw in ((0, 1), (0, 2), (1, 0), (2, 0)):
        assert not np.isin(generator(0, "noise", step, draw).random(1000), long).any()


def test_nearby_purposes_are_not_correlated():
    draws = np.stack(
        [generator(key, "x", step).standard_normal(4000) for key, step in itertools.product(range(4), range(4))]
    )
    off = np.corrcoef(draws)[~np.eye(16, dtype=bool)]
    assert np.abs(off).max() < 5 / 4000**0.5


def test_draws_are_uniform():
    firsts = np.array([generator(seed, "x").random() for seed in range(2000)])
    assert abs(firsts.mean() - 0.5) < 4 * (1 / 12 / 2000) ** 0.5
    assert abs(firsts.var() - 1 / 12) < 0.01


def test_large_draw_numbers_are_allowed():
    assert generator(0, "x", 2**40, 5 << 32).random() != generator(0, "x", 2**40, 6 << 32).random()


# Results of earlier versions can be repeated only as long as these stay.
def test_the_streams_are_the_same_in_every_version():
    job, member = generator(0, "init/hidden"), generator((5, 1), "order", 3, 4)
    assert job.bit_generator.random_raw(2).tolist() == [7546287620879606834, 7037288628172855157]
    assert member.bit_generator.random_raw(2).tolist() == [9362199295658595870, 18171319766393012587]
