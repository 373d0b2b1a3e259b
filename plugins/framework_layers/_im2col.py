"""Convolution as one matrix product: the windows of a batch of images as rows, and back.

Memory lies as (..., H, W, N, C), whatever the order of the axes says: then the rows of all windows are one matrix, an offset
inside a window is a slice of whole planes, and everything elementwise runs over long stretches.
"""

from __future__ import annotations

from typing import Any

from framework import Array
from framework_layers._windows import NONE, Frame, Windows


def planes(x: Array) -> Array:
    """Images (..., N, C, H, W) seen as (..., H, W, N, C): a view."""
    return x.swapaxes(-4, -2).swapaxes(-3, -1)


def images(planes: Array) -> Array:
    """Planes (..., H, W, N, C) seen as images (..., N, C, H, W): a view."""
    return planes.swapaxes(-3, -1).swapaxes(-4, -2)


def by_group(planes: Array, groups: int) -> Array:
    """(..., H, W, N, C) as (..., groups, H, W, N, C / groups): a view. Unchanged with one group."""
    if groups == 1:
        return planes
    each = planes.reshape(*planes.shape[:-1], groups, planes.shape[-1] // groups)
    return each.swapaxes(-3, -2).swapaxes(-4, -3).swapaxes(-5, -4)


def together(planes: Array, groups: int) -> Array:
    """The inverse of `by_group`: (..., groups, H, W, N, c) as (..., H, W, N, groups c)."""
    if groups == 1:
        return planes
    each = planes.swapaxes(-5, -4).swapaxes(-4, -3).swapaxes(-3, -2)
    return each.reshape(*each.shape[:-2], groups * each.shape[-1])


def padded(planes: Array, frame: Frame, xp: Any) -> Array:
    """(..., H, W, N, C) with a frame of zeros."""
    if frame == NONE:
        return planes
    *lead, H, W, N, C = planes.shape
    (top, bottom), (left, right) = frame
    out = xp.zeros((*lead, top + H + bottom, left + W + right, N, C), planes.dtype)
    out[..., top : top + H, left : left + W, :, :] = planes
    return out


def im2col(planes: Array, at: Windows, xp: Any) -> Array:
    """Windows as rows (..., Ho Wo N, kh kw C) of (..., H, W, N, C), which is padded already."""
    *lead, _, _, N, C = planes.shape
    rows = xp.empty((*lead, *at.out, N, at.area, C), planes.dtype)
    for k, (i, j) in enumerate(at.places):
        rows[..., k, :] = planes[..., i, j, :, :]
    return rows.reshape(*lead, at.out[0] * at.out[1] * N, at.area * C)


def col2im(rows: Array, shape: tuple[int, ...], at: Windows, xp: Any) -> Array:
    """The sum of rows (..., Ho Wo N, kh kw C) at their places in images (..., H, W, N, C), the frame taken off."""
    H, W, N, C = shape
    (top, bottom), (left, right) = at.frame
    lead = rows.shape[:-2]
    each = rows.reshape(*lead, *at.out, N, at.area, C)
    x = xp.zeros((*lead, top + H + bottom, left + W + right, N, C), rows.dtype)
    for k, (i, j) in enumerate(at.places):
        x[..., i, j, :, :] += each[..., k, :]
    return x[..., top : top + H, left : left + W, :, :]


def sum_of_rows(a: Array, xp: Any) -> Array:
    """The sum over the second last axis, which is kept with length 1: (..., n, i) -> (..., 1, i), as a product with ones.

    A reduction over rows of a few numbers takes ten times as long.
    """
    return xp.ones((1, a.shape[-2]), a.dtype) @ a
