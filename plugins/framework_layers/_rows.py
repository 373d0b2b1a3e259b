"""The steps of sequences as rows of one matrix, for products over all of them."""

from framework import Array


def rows(x: Array) -> Array:
    """(..., T, N, F) as (..., T N, F)."""
    return x.reshape(*x.shape[:-3], -1, x.shape[-1])


def unfolded(a: Array, like: Array) -> Array:
    """Rows (..., T N, k) with the T and N of `like` (..., T, N, F): (..., T, N, k)."""
    return a.reshape(*a.shape[:-2], *like.shape[-3:-1], a.shape[-1])
