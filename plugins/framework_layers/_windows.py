"""The windows of a convolution or a pooling: their positions, one strided slice per offset inside the window."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

from framework import Array, Shape

Pair = tuple[int, int]  # of the rows and of the columns of an image
Frame = tuple[Pair, Pair]  # zeros above and below, left and right
NONE: Frame = ((0, 0), (0, 0))


def pair(name: str, value: int | Pair, least: int = 1) -> Pair:
    """A number for rows and columns, or one for each.

    Raises:
        ValueError: one of them is too small.
    """
    both = (value, value) if isinstance(value, int) else value
    if min(both) < least:
        raise ValueError(f"{name}: both must be at least {least} (got {list(both)})")
    return both


def shown(size: Pair) -> str:
    """`3`, or `3 x 5`."""
    return str(size[0]) if size[0] == size[1] else f"{size[0]} x {size[1]}"


class Windows(NamedTuple):
    """The windows of images H x W.

    Attributes:
        size, stride: of rows and of columns.
        frame: zeros around the image.
        out: (Ho, Wo), how many windows fit into it with its frame.
        places: for each position in a window, row by row, the rows and columns of an image at this position in all windows.
    """

    size: Pair
    stride: Pair
    frame: Frame
    out: Pair
    places: tuple[tuple[slice, slice], ...]

    @property
    def area(self) -> int:
        """Positions in a window."""
        return self.size[0] * self.size[1]


@functools.lru_cache(maxsize=256)
def windows(
    n: Pair, size: int | Pair, stride: int | Pair, padding: int | Pair | str = 0, dilation: int | Pair = 1
) -> Windows:
    """The windows of images n = (H, W); padding: same adds as many zeros as keep H and W, the odd one below and right.

    Raises:
        ValueError: a number is too small, or no window fits.
    """
    size, stride, dilation = pair("size", size), pair("stride", stride), pair("dilation", dilation)
    reach = [d * (k - 1) for d, k in zip(dilation, size, strict=True)]
    if isinstance(padding, str):
        frame = (reach[0] // 2, reach[0] - reach[0] // 2), (reach[1] // 2, reach[1] - reach[1] // 2)
    else:
        rows, columns = pair("padding", padding, 0)
        frame = (rows, rows), (columns, columns)
    out = [(n[i] + sum(frame[i]) - reach[i] - 1) // stride[i] + 1 for i in (0, 1)]
    if min(out) < 1:
        raise ValueError(f"a window of {shown(size)} does not fit into {n[0]} x {n[1]}")
    across = [
        [slice(k * dilation[i], k * dilation[i] + stride[i] * (out[i] - 1) + 1, stride[i]) for k in range(size[i])]
        for i in (0, 1)
    ]
    return Windows(size, stride, frame, (out[0], out[1]), tuple((i, j) for i in across[0] for j in across[1]))


def pooled_shape(in_shape: Shape, size: int | Pair, stride: int | Pair, padding: int | Pair) -> Shape:
    """(C, Ho, Wo) of images (C, H, W).

    Raises:
        ValueError: the input is not an image, or a window does not fit.
    """
    if len(in_shape) != 3:
        raise ValueError(f"pooling needs images (C, H, W) (got {in_shape})")
    at = windows(in_shape[1:], size, stride, padding)
    if any(2 * p > k for (p, _), k in zip(at.frame, at.size, strict=True)):
        raise ValueError(f"padding: at most half of a window of {shown(at.size)} (got {padding})")
    return in_shape[0], *at.out


def strips(n: int, axis: int, size: int, stride: int) -> list[tuple[Any, ...]]:
    """For each position in a window along one axis (-1 or -2) of length n, the index of the values there in all windows."""
    out = (n - size) // stride + 1
    after = (slice(None),) * (-1 - axis)
    return [(..., slice(i, i + stride * (out - 1) + 1, stride), *after) for i in range(size)]


def surrounded(x: Array, frame: Frame, number: float, xp: Any) -> Array:
    """Images (..., H, W) with a frame of a number."""
    if frame == NONE:
        return x
    ((top, bottom), (left, right)), (*lead, H, W) = frame, x.shape
    out = xp.full_like(x, number, shape=(*lead, top + H + bottom, left + W + right))
    out[..., top : top + H, left : left + W] = x
    return out


def inner(x: Array, frame: Frame) -> Array:
    """Images without the frame of `surrounded`."""
    ((top, bottom), (left, right)), (H, W) = frame, x.shape[-2:]
    return x if frame == NONE else x[..., top : H - bottom, left : W - right]
