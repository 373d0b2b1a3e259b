"""Checks of augmentations, on batches of every kind of field that they support."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from framework.testing.purity import untouched

# One batch of each kind of field, time-major as in training: an odd and an even side, several channels.
SHAPES = {"N": (5,), "NF": (5, 4), "NT": (3, 5), "NTF": (3, 5, 4), "NCHW": (5, 2, 6, 7)}


def _batches(augmentation: Any) -> Iterator[tuple[np.ndarray, int]]:
    """Batches in float64, each with its axis of examples."""
    for axes in getattr(augmentation, "axes", tuple(SHAPES)):
        assert axes in SHAPES, f"axes: unknown kind of field '{axes}' (there are: {', '.join(SHAPES)})"
        yield np.random.default_rng(1).standard_normal(SHAPES[axes]), int(axes.startswith("NT"))


def _of(augmentation: Any, x: np.ndarray, seed: int = 0) -> np.ndarray:
    return np.asarray(augmentation(x, np.random.default_rng(seed)))


def check_shape(augmentation: Any) -> None:
    """The result is a finite host array of the same shape and dtype, also for one example."""
    for whole, axis in _batches(augmentation):
        for n in (5, 1):
            for dtype in (np.float64, np.float32):
                x = whole.take(range(n), axis).astype(dtype)
                y = augmentation(x, np.random.default_rng(0))
                assert type(y) is np.ndarray, f"a {type(y).__name__} is not a host array"
                assert (y.shape, y.dtype) == (x.shape, x.dtype), f"{y.dtype} {y.shape} from {x.dtype} {x.shape}"
                assert np.isfinite(y).all(), f"non-finite values from {x.dtype} {x.shape}"


def check_seeded(augmentation: Any) -> None:
    """The same generator gives the same result, without another source of randomness."""
    for x, _ in _batches(augmentation):
        first = _of(augmentation, x)
        assert np.array_equal(first, _of(augmentation, x)), "two calls with equal generators differ"
        narrow = _of(augmentation, x.astype(np.float32))
        assert np.allclose(first, narrow, rtol=1e-3, atol=1e-4), "float32 and float64 use different draws"


def check_pure(augmentation: Any) -> None:
    """The batch stays unchanged, nothing is saved on the object, and no global random state is used."""
    for x, _ in _batches(augmentation):
        before = x.copy()
        with untouched(augmentation):
            _of(augmentation, x)
        assert np.array_equal(x, before), "the batch was modified"


def check_independent(augmentation: Any) -> None:
    """The result for an example does not depend on the others."""
    for x, axis in _batches(augmentation):
        other = x.copy()
        np.moveaxis(other, axis, 0)[0] += 1
        first, second = (np.moveaxis(_of(augmentation, a), axis, 0) for a in (x, other))
        assert np.array_equal(first[1:], second[1:]), "another first example changes the results of the rest"


def check_strides(augmentation: Any) -> None:
    """A batch that is not contiguous in memory, as batches of sequences, gives the same result."""
    for x, _ in _batches(augmentation):
        apart = np.repeat(x, 2, -1)[..., ::2]
        assert np.array_equal(_of(augmentation, x), _of(augmentation, apart)), "the batch is assumed to be contiguous"


AUGMENTATION: Mapping[str, Callable[[Any], None]] = {
    "shape": check_shape,
    "seeded": check_seeded,
    "pure": check_pure,
    "independent": check_independent,
    "strides": check_strides,
}
