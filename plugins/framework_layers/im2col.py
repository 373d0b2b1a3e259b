"""Convolution as a matrix product: the windows of an image as columns, and back.

Columns are (..., N, C k k, Ho Wo): row (c, i, j) holds what lies at offset (i, j) of the windows in channel c. So
W^T columns is the output in its own layout (..., N, F, Ho Wo), and no axis has to be moved.
"""

from __future__ import annotations

from typing import Any

from framework import Array
from framework_layers.windows import offsets


def padded(x: Array, padding: int, xp: Any) -> Array:
    """x (..., H, W) with a frame of zeros."""
    if not padding:
        return x
    *lead, H, W = x.shape
    out = xp.zeros((*lead, H + 2 * padding, W + 2 * padding), x.dtype)
    out[..., padding : padding + H, padding : padding + W] = x
    return out


def im2col(x: Array, size: int, stride: int, out: tuple[int, int], xp: Any) -> Array:
    """Columns (..., N, C k k, Ho Wo) of x (..., N, C, H, W), which is padded already."""
    *lead, C, _, _ = x.shape
    columns = xp.empty((*lead, C, size * size, *out), x.dtype)
    for k, window in enumerate(offsets(out, size, stride)):
        columns[..., k, :, :] = x[window]
    return columns.reshape(*lead, C * size * size, out[0] * out[1])


def col2im(
    columns: Array, shape: tuple[int, ...], size: int, stride: int, out: tuple[int, int], padding: int, xp: Any
) -> Array:
    """The sum of columns (..., N, C k k, Ho Wo) at their places in images of core shape (C, H, W), the frame taken off."""
    C, H, W = shape
    lead = columns.shape[:-2]
    each = columns.reshape(*lead, C, size * size, *out)
    x = xp.zeros((*lead, C, H + 2 * padding, W + 2 * padding), columns.dtype)
    for k, window in enumerate(offsets(out, size, stride)):
        x[window] += each[..., k, :, :]
    return x[..., padding : padding + H, padding : padding + W]
