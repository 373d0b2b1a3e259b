"""Checks of augmentations, on batches of every kind of field that they support."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from framework.testing.choices import check_choices
from framework.testing.purity import own_numbers, reported, seeded_rng, untouched, works

# One batch of each kind of field, time-major as in training: an odd and an even side, several channels.
SHAPES = {"N": (5,), "NF": (5, 4), "NT": (3, 5), "NTF": (3, 5, 4), "NCHW": (5, 2, 6, 7)}


def _batches(augmentation: Any) -> Iterator[tuple[np.ndarray, int]]:
    """Batches in float64, each with its axis of examples."""
    chosen = getattr(augmentation, "axes", tuple(SHAPES))
    assert not isinstance(chosen, str), f"axes: {chosen!r} is one text; give a tuple: ({chosen!r},)"
    for axes in chosen:
        assert axes in SHAPES, f"axes: unknown kind of field '{axes}' (there are: {', '.join(SHAPES)})"
        yield seeded_rng(1).standard_normal(SHAPES[axes]), int(axes.startswith("NT"))


def _of(augmentation: Any, x: np.ndarray, seed: int = 0) -> np.ndarray:
    return np.asarray(augmentation(x, seeded_rng(seed)))


def check_shape(augmentation: Any) -> None:
    """The result is a finite host array of the same shape and dtype, also for one example and for grey and colour images.

    Cannot see: whether the change keeps the label.
    """
    for whole, axis in _batches(augmentation):
        cases = [whole.take(range(n), axis) for n in (5, 1)]
        if whole.ndim == 4:
            cases += [np.repeat(whole[:, :1], channels, 1) for channels in (1, 3)]
        for case, dtype in product(cases, (np.float64, np.float32)):
            x = case.astype(dtype)
            with works(f"{x.dtype} {x.shape}"):
                y = augmentation(x, np.random.default_rng(0))
            assert type(y) is np.ndarray, f"a {type(y).__name__} is not a host array"
            assert (y.shape, y.dtype) == (x.shape, x.dtype), f"{y.dtype} {y.shape} from {x.dtype} {x.shape}"
            assert np.isfinite(y).all(), f"non-finite values from {x.dtype} {x.shape}"


def check_numbers(augmentation: Any) -> None:
    """Examples of zeros, of one value, and of values around 1000 give finite values.

    Cannot see: values that are finite but far too large.
    """
    for x, _ in _batches(augmentation):
        for what, case in (("zeros", 0 * x), ("one value", 0 * x + 0.5), ("values around 1000", 1000 * x)):
            for dtype in (np.float64, np.float32):
                with np.errstate(all="ignore"):
                    y = _of(augmentation, case.astype(dtype))
                assert np.isfinite(y).all(), f"examples of {what} {x.shape} give values that are not finite"


def check_seeded(augmentation: Any) -> None:
    """All random numbers come from the given generator: equal ones give the same result, in float32 as in float64.

    Cannot see: generators that are made when the module is imported and never used up.
    """
    for x, _ in _batches(augmentation):
        first = _of(augmentation, x)
        assert np.array_equal(first, _of(augmentation, x)), "two calls with equal generators differ"
        narrow = _of(augmentation, x.astype(np.float32))
        assert np.allclose(first, narrow, rtol=1e-3, atol=1e-4), "float32 and float64 use different draws"
    own_numbers(lambda seed: [_of(augmentation, x, seed) for x, _ in _batches(augmentation)], "rng")


def check_pure(augmentation: Any) -> None:
    """The batch stays unchanged, nothing is saved on the object, and no global random state is used.

    Cannot see: state that a module keeps and that changes no result.
    """
    for whole, axis in _batches(augmentation):
        for n in (5, 1):
            x = whole.take(range(n), axis)
            before = x.copy()
            with untouched(augmentation):
                _of(augmentation, x)
            assert np.array_equal(x, before), f"the batch {x.shape} was modified"


def check_independent(augmentation: Any) -> None:
    """The result for an example does not depend on the others, and stays in its place, beside its label.

    Cannot see: values of one sequence that move to another step, away from the label of their step.
    """
    for x, axis in _batches(augmentation):
        first = np.moveaxis(_of(augmentation, x), axis, 0)
        for n in range(x.shape[axis]):
            other = x.copy()
            np.moveaxis(other, axis, 0)[n] += 1
            second = np.moveaxis(_of(augmentation, other), axis, 0)
            rest = np.arange(x.shape[axis]) != n
            same = np.array_equal(first[rest], second[rest])
            assert same, f"another example {n} of a batch {x.shape} changes the results of the rest, whose labels stay"


def check_strides(augmentation: Any) -> None:
    """A batch in any memory layout, such as that of sequences, gives the same result.

    Cannot see: arrays whose steps are negative.
    """
    for x, _ in _batches(augmentation):
        for apart in (np.repeat(x, 2, -1)[..., ::2], np.asfortranarray(x)):
            same = np.array_equal(_of(augmentation, x), _of(augmentation, apart))
            assert same, f"the batch {x.shape} is assumed to be contiguous"


SIMPLE = {"shape": check_shape, "pure": check_pure, "independent": check_independent}
AUGMENTATION = reported(
    {
        **SIMPLE,
        "seeded": check_seeded,
        "strides": check_strides,
        "numbers": check_numbers,
        "choices": check_choices(SIMPLE),
    }
)
