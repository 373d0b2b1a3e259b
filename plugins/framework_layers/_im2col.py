"""Convolution as one matrix product: the windows of a batch of images as rows, and back.

Memory lies as (..., H, W, N, C), whatever the order of the axes says: then the rows of all windows are one matrix, an offset
inside a window is a slice of whole planes, and everything elementwise runs over long stretches.
"""

from __future__ import annotations

from typing import Any

from framework import Array
from framework_layers._windows import places


def planes(x: Array) -> Array:
    """Images (..., N, C, H, W) seen as (..., H, W, N, C): a view."""
    return x.swapaxes(-4, -2).swapaxes(-3, -1)


def images(planes: Array) -> Array:
    """Planes (..., H, W, N, C) seen as images (..., N, C, H, W): a view."""
    return planes.swapaxes(-3, -1).swapaxes(-4, -2)


def padded(planes: Array, padding: int, xp: Any) -> Array:
    """(..., H, W, N, C) with a frame of zeros."""
    if not padding:
        return planes
    *lead, H, W, N, C = planes.shape
    out = xp.zeros((*lead, H + 2 * padding, W + 2 * padding, N, C), planes.dtype)
    out[..., padding : padding + H, padding : padding + W, :, :] = planes
    return out


def im2col(planes: Array, size: int, stride: int, out: tuple[int, int], xp: Any) -> Array:
    """Windows as rows (..., Ho Wo N, k k C) of (..., H, W, N, C), which is padded already."""
    *lead, _, _, N, C = planes.shape
    rows = xp.empty((*lead, *out, N, size * size, C), planes.dtype)
    for k, (i, j) in enumerate(places(out, size, stride)):
        rows[..., k, :] = planes[..., i, j, :, :]
    return rows.reshape(*lead, out[0] * out[1] * N, size * size * C)


def col2im(
    rows: Array, shape: tuple[int, ...], size: int, stride: int, out: tuple[int, int], padding: int, xp: Any
) -> Array:
    """The sum of rows (..., Ho Wo N, k k C) at their places in images (..., H, W, N, C), the frame taken off."""
    H, W, N, C = shape
    lead = rows.shape[:-2]
    each = rows.reshape(*lead, *out, N, size * size, C)
    x = xp.zeros((*lead, H + 2 * padding, W + 2 * padding, N, C), rows.dtype)
    for k, (i, j) in enumerate(places(out, size, stride)):
        x[..., i, j, :, :] += each[..., k, :]
    return x[..., padding : padding + H, padding : padding + W, :, :]


def sum_of_rows(a: Array, xp: Any) -> Array:
    """The sum over the second last axis, which is kept with length 1: (..., n, i) -> (..., 1, i), as a product with ones.

    A reduction over rows of a few numbers takes ten times as long.
    """
    return xp.ones((1, a.shape[-2]), a.dtype) @ a
