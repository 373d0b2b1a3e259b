from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from framework import Array, Context, Initializer, Params, Shape, T, option, registered
from framework_layers._bias import HELP, drawn_bias
from framework_layers._im2col import by_group, col2im, im2col, images, padded, planes, sum_of_rows, together
from framework_layers._windows import Pair, Windows, windows


@dataclass(frozen=True)
class Conv2d:
    """y[f, u, v] = sum over c, i, j of W[(c, i, j), f] x[c, s u + d i, s v + d j] + b[f]: a small dense layer everywhere.

    The windows of all images are the rows of X (..., Ho Wo N, k k C). Then  y = X W + b,  dW = X^T dy,
    db = sum over rows of dy,  dX = dy W^T. Overlapping windows are summed in dx.

    Shapes: x (..., N, C, H, W), W (..., C k k / groups, filters), b (..., 1, filters), y (..., N, filters, Ho, Wo),
    Ho = (H + 2 padding - d (k - 1) - 1) // s + 1, Wo likewise; k = size, s = stride, d = dilation, each a number or
    [rows, columns]. With groups the channels and the filters are cut into as many equal parts, and a part of the filters
    reads its part of the channels; with C groups every channel has filters of its own. Definitions, and the side of the odd
    zero of padding: same (below, right): PyTorch's. Fans: in C k k / groups, out filters k k / groups.
    """

    per_example: ClassVar[bool] = True
    filters: int = option(least=1, help="feature maps")
    size: int | Pair = option(3, least=1, help="height and width of the kernel, one number or [height, width]")
    stride: int | Pair = option(1, least=1, help="distance between windows, one number or [rows, columns]")
    padding: int | Pair | Literal["same"] = option(
        0, least=0, help="zeros at each end, one number or [rows, columns]; same: as many as keep the image's size"
    )
    bias: bool = option(True, help="whether to add b")
    initializer: Initializer = registered("initializer", "he_normal", help="initial values of W")
    dilation: int | Pair = option(1, least=1, help="distance between the pixels of a window, one number or [rows, columns]")
    groups: int = option(1, least=1, help="equal parts of the channels and of the filters, each of which reads one part")
    bias_initializer: Initializer = registered("initializer", "zeros", inherit=False, help=HELP)

    def init(self, rng: np.random.Generator, in_shape: Shape) -> tuple[Params, Shape]:
        if len(in_shape) != 3:
            raise ValueError(f"conv2d needs images (C, H, W) (got {in_shape})")
        C, H, W = in_shape
        at = self._windows((H, W))
        if self.padding == "same" and at.stride != (1, 1):
            raise ValueError("padding: same needs stride 1")
        if C % self.groups or self.filters % self.groups:
            raise ValueError(f"groups: {self.groups} must divide the {C} channels and the {self.filters} filters")
        fan_in, fan_out = (n * at.area // self.groups for n in (C, self.filters))
        p = {"W": self.initializer(rng, (fan_in, self.filters), (fan_in, fan_out))}
        p |= drawn_bias(self.bias, self.bias_initializer, rng, self.filters, (fan_in, fan_out))
        return p, (self.filters, *at.out)

    def forward(self, p: Params, x: Array, ctx: Context) -> tuple[Array, Any]:
        at, each = self._windows(x.shape[-2:]), by_group(planes(x), self.groups)
        X = im2col(padded(each, at.frame, ctx.xp), at, ctx.xp)
        y = self._as_rows(X @ self._by_place(p["W"], at.area))
        if self.bias:
            y += p["b"]
        return images(y.reshape(*y.shape[:-2], *at.out, x.shape[-4], self.filters)), (X, each.shape[-4:], at)

    def backward(self, p: Params, cache: Any, dy: Array, ctx: Context, need_dx: bool = True) -> tuple[Array | None, Params]:
        X, shape, at = cache
        rows = planes(dy).reshape(*dy.shape[:-4], -1, self.filters)
        each = self._as_columns(rows)
        grads = {"W": self._by_channel(T(X) @ each, at.area)}
        if self.bias:
            grads["b"] = sum_of_rows(rows, ctx.xp)
        if not need_dx:
            return None, grads
        dX = each @ ctx.xp.ascontiguousarray(T(self._by_place(p["W"], at.area)))
        return images(together(col2im(dX, shape, at, ctx.xp), self.groups)), grads

    def _by_place(self, W: Array, area: int) -> Array:
        """W with rows (c, i, j) reordered as X, (i, j, c), by group."""
        each = W.reshape(*W.shape[:-2], -1, area, self.filters).swapaxes(-3, -2)
        return self._as_columns(each.reshape(W.shape))

    def _by_channel(self, dW: Array, area: int) -> Array:
        """Reorder dW to rows (c, i, j), the groups side by side."""
        dW = self._as_rows(dW)
        each = dW.reshape(*dW.shape[:-2], area, -1, self.filters)
        return each.swapaxes(-3, -2).reshape(dW.shape)

    def _as_columns(self, a: Array) -> Array:
        """(..., n, filters) as (..., groups, n, filters / groups); unchanged with one group."""
        if self.groups == 1:
            return a
        return a.reshape(*a.shape[:-1], self.groups, self.filters // self.groups).swapaxes(-3, -2)

    def _as_rows(self, a: Array) -> Array:
        """The inverse of `_as_columns`."""
        if self.groups == 1:
            return a
        each = a.swapaxes(-3, -2)
        return each.reshape(*each.shape[:-2], self.filters)

    def _windows(self, n: Pair) -> Windows:
        return windows(n, self.size, self.stride, self.padding, self.dilation)

    @staticmethod
    def examples() -> list[tuple[Conv2d, Shape]]:
        grouped = Conv2d(4, (1, 2), (2, 1), (0, 1), dilation=(1, 2), groups=2)
        strided = Conv2d(2, 3, 2, 1, bias=False)
        return [
            *((layer, (2, 5, 4)) for layer in (Conv2d(3), grouped)),
            (strided, (1, 5, 5)),
            (Conv2d(2, (3, 2), padding="same"), (2, 4, 4)),
        ]
