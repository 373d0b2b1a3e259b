"""Bilinear resampling of images, shared by rotate, scale and crop_resize."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

Fill = float | Literal["edge"]  # values outside the frame: a number, or the nearest pixel of the border
BLOCK = 8000  # pixels, over all channels


def rotation(degrees: np.ndarray) -> np.ndarray:
    """Matrices (N, 2, 2) of turns by angles (N,), acting on (down, right); whole numbers for quarter turns.

    The matrix maps a position of the output to its source, so that the content turns anticlockwise.
    """
    a = np.deg2rad(degrees)
    cos, sin = np.cos(a).round(15), np.sin(a).round(15)  # cos 90 degrees is 6e-17 otherwise
    return np.stack([cos, sin, -sin, cos], -1).reshape(-1, 2, 2)


def resample(x: np.ndarray, matrix: np.ndarray, offset: np.ndarray | None = None, fill: Fill = 0.0) -> np.ndarray:
    """y[n, c, o] = x[n, c, m + matrix_n (o - m) + offset_n], bilinear between pixels; o = (row, column), m the middle.

    Shapes: x, y (N, C, H, W), matrix (N, 2, 2), offset (N, 2) in pixels. Exact where the source is a pixel's centre:
    identity, flips, quarter turns of a square. Shrinking by more than 2 skips pixels, as there is no low-pass filter.
    """
    y = np.empty_like(x, order="C")
    for part in _blocks(x):
        y[part] = _resampled(x[part], matrix[part], None if offset is None else offset[part], fill)
    return y


def _resampled(x: np.ndarray, matrix: np.ndarray, offset: np.ndarray | None, fill: Fill) -> np.ndarray:
    size = x.shape[-2:]
    down, right = ((np.arange(n) - (n - 1) / 2).astype(x.dtype) for n in size)
    a = matrix.astype(x.dtype)[..., None, None]
    at = np.array([(n + 1) / 2 for n in size]) + (np.zeros((a.shape[0], 1)) if offset is None else offset)
    at = at.astype(x.dtype)[..., None, None]
    source = [a[:, k, 0] * down[:, None] + a[:, k, 1] * right + at[:, k] for k in (0, 1)]
    first, weight = zip(*(_cell(s, n, fill) for s, n in zip(source, size, strict=True)), strict=True)
    flat, index, width = _flat(x, *first, fill)
    wy, wx = (w[:, None] for w in weight)
    top, bottom = (_between(flat[k:].take(index), flat[k + 1 :].take(index), wx) for k in (0, width))
    return _between(top, bottom, wy)


def shift(x: np.ndarray, down: np.ndarray, right: np.ndarray, fill: Fill = 0.0) -> np.ndarray:
    """x (N, C, H, W) moved by whole pixels, down and right (N,): no interpolation, one gather."""
    y = np.empty_like(x, order="C")
    moves = [
        np.clip(np.arange(1, n + 1) - by[:, None], *_bounds(n, fill))
        for n, by in zip(x.shape[-2:], (down, right), strict=True)
    ]
    for part in _blocks(x):
        rows, columns = (move[part] for move in moves)
        flat, index, _ = _flat(x[part], rows[:, :, None], columns[:, None, :], fill)
        y[part] = flat.take(index)
    return y


def _blocks(x: np.ndarray) -> Iterator[slice]:
    """Parts of the batch whose arrays stay in the cache: two to three times faster for 64 images of 28 x 28."""
    size = max(1, BLOCK // x[0].size)
    return (slice(start, start + size) for start in range(0, x.shape[0], size))


def _bounds(n: int, fill: Fill) -> tuple[int, int]:
    """The valid positions to read from, counted with the border before pixel 0."""
    return (1, n) if fill == "edge" else (0, n + 1)


def _cell(source: np.ndarray, n: int, fill: Fill) -> tuple[np.ndarray, np.ndarray]:
    """The pixel before each source along one axis, and how far the source lies beyond it."""
    source = np.clip(source, *_bounds(n, fill))
    first = source.astype(np.intp)
    return first, source - first.astype(source.dtype)


def _flat(x: np.ndarray, rows: np.ndarray, columns: np.ndarray, fill: Fill) -> tuple[np.ndarray, np.ndarray, int]:
    """x with a border, flat; the positions (N, C, H, W) in it of these rows and columns; and its width.

    The border is one pixel before and two after: the neighbour of the last valid position exists too.
    """
    n, channels, height, width = x.shape
    wide = np.full((n, channels, height + 3, width + 3), 0.0 if fill == "edge" else fill, x.dtype)
    wide[..., 1:-2, 1:-2] = x
    start = np.arange(0, wide.size, (height + 3) * (width + 3)).reshape(n, channels, 1, 1)
    return wide.ravel(), (rows * (width + 3) + columns)[:, None] + start, width + 3


def _between(a: np.ndarray, b: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """a + weight (b - a), in the memory of b."""
    b -= a
    b *= weight
    b += a
    return b
