"""The windows of a pooling: their positions, one strided slice per offset inside the window."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from framework import Shape


def pooled_shape(in_shape: Shape, size: int, stride: int) -> Shape:
    """(C, Ho, Wo) of images (C, H, W).

    Raises:
        ValueError: the input is not an image, or a window does not fit.
    """
    if len(in_shape) != 3:
        raise ValueError(f"pooling needs images (C, H, W) (got {in_shape})")
    C, H, W = in_shape
    if size > min(H, W):
        raise ValueError(f"a window of {size} does not fit into {H} x {W}")
    return C, (H - size) // stride + 1, (W - size) // stride + 1


@functools.lru_cache(maxsize=256)
def places(out: tuple[int, int], size: int, stride: int) -> list[tuple[slice, slice]]:
    """For each position in a window, row by row, the rows and columns of an image at this position in all Ho x Wo
    windows."""
    across = [[slice(k, k + stride * (n - 1) + 1, stride) for k in range(size)] for n in out]
    return [(i, j) for i in across[0] for j in across[1]]


def offsets(out_shape: tuple[int, ...], size: int, stride: int) -> Iterator[tuple[Any, ...]]:
    """For each position in a window, row by row, the index of the values at this position in all windows (..., Ho, Wo)."""
    for i, j in places(out_shape[-2:], size, stride):  # type: ignore[arg-type]
        yield ..., i, j


def strips(n: int, axis: int, size: int, stride: int) -> list[tuple[Any, ...]]:
    """For each position in a window along one axis (-1 or -2) of length n, the index of the values there in all windows."""
    out = (n - size) // stride + 1
    after = (slice(None),) * (-1 - axis)
    return [(..., slice(i, i + stride * (out - 1) + 1, stride), *after) for i in range(size)]
