"""The one extra argument: options per replica, and pure draws."""

from dataclasses import replace

import numpy as np
import pytest

from framework import Context

STACK = Context(replicas=(3,), keys=(10, 11, 12), name="drop", step=4)
LIKE = np.zeros((3, 5, 2))


def test_per_leaves_a_number_alone():
    assert STACK.per(0.5, LIKE) == 0.5
    assert isinstance(STACK.per(2, LIKE), int)


def test_per_gives_an_array_one_axis_for_each_core_axis():
    values = np.array([1.0, 2.0, 3.0])
    for core in ((7,), (5, 2), (4, 3, 2, 2)):
        like = np.zeros((3, *core))
        assert np.array_equal(
            STACK.per(values, like) * np.ones_like(like), np.ones_like(like) * values.reshape(3, *[1] * len(core))
        )


def test_per_takes_the_dtype_of_what_it_meets():
    assert STACK.per(np.array([1.0, 2.0, 3.0]), LIKE.astype(np.float32)).dtype == np.float32
    assert STACK.per(np.array([1, 2, 3]), LIKE).dtype == np.float64


def test_per_with_two_replica_axes():
    ctx = Context(replicas=(2, 3), keys=tuple(range(6)))
    values = np.arange(6.0).reshape(2, 3)
    assert ctx.per(values, np.zeros((2, 3, 4, 5))).shape == (2, 3, 1, 1)
    assert np.array_equal(ctx.per(values, np.zeros((2, 3, 4)))[..., 0], values)


@pytest.mark.parametrize("draw", ["uniform", "normal"])
def test_draws_are_pure(draw):
    first = getattr(STACK, draw)(LIKE)
    getattr(STACK, draw)(np.zeros((3, 100, 100)))
    assert np.array_equal(getattr(replace(STACK), draw)(LIKE), first)
    assert first.shape == LIKE.shape


@pytest.mark.parametrize("change", [{"name": "other"}, {"step": 5}, {"part": 1}, {"keys": (20, 21, 22)}], ids=str)
@pytest.mark.parametrize("draw", ["uniform", "normal"])
def test_another_purpose_gives_other_numbers(draw, change):
    other = getattr(replace(STACK, **change), draw)(LIKE)
    assert not np.intersect1d(other, getattr(STACK, draw)(LIKE)).size


def test_several_draws_of_one_node_differ():
    assert not np.intersect1d(STACK.uniform(LIKE, 0), STACK.uniform(LIKE, 1)).size


def test_a_part_never_repeats_another_draw():
    parts = [replace(STACK, part=part).uniform(LIKE, draw) for part in range(3) for draw in range(3)]
    assert np.unique(np.stack(parts)).size == 9 * LIKE.size


@pytest.mark.parametrize("draw", ["uniform", "normal"])
def test_the_place_in_the_stack_never_enters(draw):
    together = getattr(STACK, draw)(LIKE)
    turned = getattr(replace(STACK, keys=(12, 10, 11)), draw)(LIKE)
    assert np.array_equal(turned, together[[2, 0, 1]])
    for r, key in enumerate(STACK.keys):
        alone = getattr(replace(STACK, replicas=(), keys=(key,)), draw)(LIKE[r])
        assert np.array_equal(alone, together[r])


def test_two_replica_axes_take_their_keys_in_row_major_order():
    ctx = Context(replicas=(2, 3), keys=tuple(range(6)), name="drop", step=4)
    numbers = ctx.uniform(np.zeros((2, 3, 5)))
    flat = replace(ctx, replicas=(6,)).uniform(np.zeros((6, 5)))
    assert np.array_equal(numbers.reshape(6, 5), flat)


def test_replicas_with_one_key_share_one_draw():
    ctx = replace(STACK, keys=(10, 10, 10))
    numbers = ctx.uniform(LIKE)
    assert numbers.shape == (1, 5, 2)
    assert np.array_equal(numbers[0], STACK.uniform(LIKE)[0])


def test_some_replicas_with_one_key_see_equal_numbers():
    numbers = replace(STACK, keys=(10, 11, 10)).uniform(LIKE)
    assert np.array_equal(numbers[0], numbers[2])
    assert not np.array_equal(numbers[0], numbers[1])


def test_a_shared_input_gets_numbers_for_every_replica():
    assert np.array_equal(STACK.uniform(LIKE[:1]), STACK.uniform(LIKE))


def test_both_precisions_see_the_same_numbers():
    for draw in (STACK.uniform, STACK.normal):
        single, double = draw(LIKE.astype(np.float32)), draw(LIKE)
        assert (single.dtype, double.dtype) == (np.float32, np.float64)
        assert np.array_equal(single, double)


def test_draws_have_their_distribution():
    ctx = Context(name="drop")
    u, n = ctx.uniform(np.zeros((400, 500))), ctx.normal(np.zeros((400, 500)))
    assert 0 <= u.min() < u.max() < 1
    assert abs(u.mean() - 0.5) < 4 * (1 / 12 / u.size) ** 0.5
    assert abs(n.mean()) < 4 / n.size**0.5
    assert n.std() == pytest.approx(1, abs=0.01)


def test_each_node_gets_a_context_of_its_own():
    other = STACK.at("hidden")
    assert other.name == "hidden"
    assert STACK.name == "drop"
    assert replace(other, name="drop") == STACK


def test_masks_and_carried_states_are_found_by_name():
    mask, state = np.ones(3), np.zeros(3)
    ctx = Context(name="rnn", batch={"mask": mask, "pad": state}, carry={"rnn": state})
    assert ctx.mask() is mask
    assert ctx.mask("pad") is state
    assert ctx.mask("absent") is None
    assert ctx.initial() is state
    assert ctx.at("other").initial() is None
