from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from framework import Array, Context, Initializer, Params, Shape, T, option, registered
from framework_layers._bias import HELP, drawn_bias
from framework_layers._im2col import col2im, im2col, images, padded, planes, sum_of_rows


@dataclass(frozen=True)
class Conv2d:
    """y[f, u, v] = sum over c, i, j of W[(c, i, j), f] x[c, s u + i, s v + j] + b[f]: a small dense layer at every position.

    The windows of all images are the rows of X (..., Ho Wo N, k k C). Then  y = X W + b,  dW = X^T dy,
    db = sum over rows of dy,  dX = dy W^T. Overlapping windows are summed in dx.

    Shapes: x (..., N, C, H, W), W (..., C k k, filters), b (..., 1, filters), y (..., N, filters, Ho, Wo),
    Ho = (H + 2 padding - k) // s + 1, Wo likewise; k = size, s = stride. Fans: in C k k, out filters k k.
    """

    per_example: ClassVar[bool] = True
    filters: int = option(least=1, help="feature maps")
    size: int = option(3, least=1, help="height and width of the kernel")
    stride: int = option(1, least=1, help="distance between windows")
    padding: int | Literal["same"] = option(0, least=0, help="zeros around the image; same: as many as keep its size")
    bias: bool = option(True, help="whether to add b")
    initializer: Initializer = registered("initializer", "he_normal", help="initial values of W")
    bias_initializer: Initializer = registered("initializer", "zeros", inherit=False, help=HELP)

    def init(self, rng: np.random.Generator, in_shape: Shape) -> tuple[Params, Shape]:
        if len(in_shape) != 3:
            raise ValueError(f"conv2d needs images (C, H, W) (got {in_shape})")
        if self.padding == "same" and (self.stride != 1 or self.size % 2 == 0):
            raise ValueError("padding: same needs stride 1 and a kernel of odd size")
        C, H, W = in_shape
        out = self._out(H, W)
        if min(out) < 1:
            raise ValueError(f"a kernel of {self.size} does not fit into {H} x {W}")
        k2 = self.size**2
        fans = (C * k2, self.filters * k2)
        p = {"W": self.initializer(rng, (C * k2, self.filters), fans)}
        p |= drawn_bias(self.bias, self.bias_initializer, rng, self.filters, fans)
        return p, (self.filters, *out)

    def forward(self, p: Params, x: Array, ctx: Context) -> tuple[Array, Any]:
        out = self._out(*x.shape[-2:])
        X = im2col(padded(planes(x), self._frame, ctx.xp), self.size, self.stride, out, ctx.xp)
        y = X @ self._by_place(p["W"])
        if self.bias:
            y += p["b"]
        return images(y.reshape(*y.shape[:-2], *out, x.shape[-4], self.filters)), (X, planes(x).shape[-4:])

    def backward(self, p: Params, cache: Any, dy: Array, ctx: Context, need_dx: bool = True) -> tuple[Array | None, Params]:
        X, shape = cache
        rows = planes(dy).reshape(*dy.shape[:-4], -1, self.filters)
        grads = {"W": self._by_channel(T(X) @ rows)}
        if self.bias:
            grads["b"] = sum_of_rows(rows, ctx.xp)
        if not need_dx:
            return None, grads
        dX = rows @ ctx.xp.ascontiguousarray(T(self._by_place(p["W"])))
        return images(col2im(dX, shape, self.size, self.stride, dy.shape[-2:], self._frame, ctx.xp)), grads

    def _by_place(self, W: Array) -> Array:
        """W with rows (c, i, j) reordered as X, (i, j, c)."""
        each = W.reshape(*W.shape[:-2], -1, self.size**2, self.filters)
        return each.swapaxes(-3, -2).reshape(W.shape)

    def _by_channel(self, dW: Array) -> Array:
        """Reorder dW to rows (c, i, j)."""
        each = dW.reshape(*dW.shape[:-2], self.size**2, -1, self.filters)
        return each.swapaxes(-3, -2).reshape(dW.shape)

    @property
    def _frame(self) -> int:
        return self.size // 2 if isinstance(self.padding, str) else self.padding

    def _out(self, H: int, W: int) -> tuple[int, int]:
        return tuple((n + 2 * self._frame - self.size) // self.stride + 1 for n in (H, W))  # type: ignore[return-value]

    @staticmethod
    def examples() -> list[tuple[Conv2d, Shape]]:
        return [(Conv2d(3), (2, 5, 4)), (Conv2d(2, 3, 2, 1, bias=False), (1, 5, 5)), (Conv2d(2, padding="same"), (2, 4, 4))]
