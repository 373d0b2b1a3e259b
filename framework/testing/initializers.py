"""Checks of initializers."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from framework.core.arrays import Array
from framework.testing.choices import check_choices
from framework.testing.purity import own_numbers, reported, seeded_rng, untouched, works

SHAPES = ((4, 3), (3, 4), (6, 6), (1, 5), (5, 1), (1, 1))  # tall, wide, square, one row, one column, one number


def _draw(initializer: Any, shape: tuple[int, int], fans: tuple[int, int] | None = None, seed: int = 0) -> Array:
    W: Array = initializer(seeded_rng(seed), shape, fans)
    return W


def check_draws(initializer: Any) -> None:
    """The result is a new, finite float64 host array that can be changed, of the given shape: tall, wide, square, one row,
    one column.

    Cannot see: shapes of thousands of rows.
    """
    for shape, fans in product(SHAPES, (None, (36, 16))):
        with works(f"shape {shape}, fans {fans}"):
            W = _draw(initializer, shape, fans)
        assert type(W) is np.ndarray, f"a {type(W).__name__} is not a host array"
        assert (W.shape, W.dtype) == (shape, np.float64), f"{W.dtype} {W.shape}, not float64 {shape}"
        assert np.isfinite(W).all(), f"shape {shape}, fans {fans}: the values are not finite"
        assert W.flags.writeable, "the values cannot be changed, as a layer may do; copy the view (np.full)"
        assert not np.shares_memory(W, _draw(initializer, shape, fans)), "two tensors share their memory"


def check_seeded(initializer: Any) -> None:
    """Random numbers come from the generator only: equal generators give equal tensors, whatever was drawn before.

    Cannot see: generators that are made when the module is imported and never used up.
    """
    for shape in SHAPES:
        with untouched(initializer):
            first = _draw(initializer, shape)
            _draw(initializer, (7, 2))
            assert np.array_equal(first, _draw(initializer, shape)), "two draws from equal generators differ"
    own_numbers(lambda seed: [_draw(initializer, (4, 3), seed=seed)], "rng")


def check_fans(initializer: Any) -> None:
    """The scale follows the fans: by default the shape, otherwise those given, as a convolution gives them; only a constant
    scale, or an orthogonal tensor, may ignore them.

    Cannot see: whether fan-in or fan-out is the right one, and the right factor.
    """
    shape, fans = (96, 64), (288, 192)
    for each in (shape, shape[::-1], (36, 4)):
        same = np.array_equal(_draw(initializer, each), _draw(initializer, each, each))
        assert same, f"fans={each} of a tensor of that shape gives other values than none: by default fans are the shape"
    if np.array_equal(_draw(initializer, shape), _draw(initializer, shape, fans)):
        gram = _draw(initializer, shape).T @ _draw(initializer, shape)
        orthogonal = np.allclose(gram, np.diag(gram.diagonal()))
        constant = _close(_draw(initializer, shape), _draw(initializer, fans))
        assert orthogonal or constant, "fans=(in, out) is ignored; the scale depends on the shape"
        return
    for own, given in ((shape, fans), (shape, fans[::-1]), (shape[::-1], fans)):
        W, wanted = _draw(initializer, own, given), _draw(initializer, given)
        what = f"with fans={given} the deviation of a tensor {own} is {W.std():.3g}"
        assert _close(W, wanted), f"{what}; that of a tensor of this shape is {wanted.std():.3g}"


def _close(W: Array, other: Array) -> bool:
    return bool(np.isclose(W.std(), other.std(), rtol=0.05))  # thousands of numbers: their deviation is accurate to 1 %


def check_distribution(initializer: Any) -> None:
    """Random weights differ from unit to unit, from input to input and from tensor to tensor; none of them is left out.

    Cannot see: the variance and the shape of the distribution that the docstring promises.
    """
    rng = np.random.default_rng(0)
    first, second = (np.asarray(initializer(rng, (6, 5), None)) for _ in range(2))
    other = _draw(initializer, (6, 5), seed=1)
    if np.array_equal(first, other):  # a constant draws nothing
        return
    assert not np.array_equal(first, second), "two tensors from one generator are equal"
    for what, rows in (("inputs (rows)", first), ("units (columns)", first.T)):
        assert len(np.unique(rows, axis=0)) > 1, f"all {what} of a random tensor have the same weights, and keep them"
        there = (rows != (other if rows is first else other.T)).any(1)
        assert there.all(), f"{what}: number {int(there.argmin())} of a random tensor draws nothing"


SIMPLE = {"draws": check_draws, "seeded": check_seeded}
INITIALIZER = reported(
    {**SIMPLE, "fans": check_fans, "distribution": check_distribution, "choices": check_choices(SIMPLE, SIMPLE)}
)
