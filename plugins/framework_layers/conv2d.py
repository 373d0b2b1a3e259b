from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from framework import Array, Context, Initializer, Params, Shape, T, option, registered
from framework_layers.im2col import col2im, im2col, padded


@dataclass(frozen=True)
class Conv2d:
    """y[f, u, v] = sum over c, i, j of W[(c, i, j), f] x[c, s u + i, s v + j] + b[f]: a small dense layer at every place.

    As products, with X the windows of x as columns (..., N, C k k, Ho Wo):  y = W^T X + b,  dW = sum over n of X dy^T,
    db = sum over n and places of dy,  dX = W dy, added up where windows overlap.

    Shapes: x (..., N, C, H, W), W (..., C k k, filters), b (..., 1, filters), y (..., N, filters, Ho, Wo),
    Ho = (H + 2 padding - k) // s + 1, Wo likewise; k = size, s = stride. Fans: in C k k, out filters k k. b starts at 0.
    """

    per_example: ClassVar[bool] = True
    filters: int = option(least=1, help="feature maps")
    size: int = option(3, least=1, help="height and width of the kernel")
    stride: int = option(1, least=1, help="from one window to the next")
    padding: int | Literal["same"] = option(0, least=0, help="zeros around the image; same: as many as keep its size")
    bias: bool = option(True, help="whether there is a b")
    initializer: Initializer = registered("initializer", "he_normal", help="first values of W")

    def init(self, rng: np.random.Generator, in_shape: Shape) -> tuple[Params, Shape]:
        if len(in_shape) != 3:
            raise ValueError(f"conv2d reads images (C, H, W), not {in_shape}")
        if self.padding == "same" and (self.stride != 1 or self.size % 2 == 0):
            raise ValueError("padding: same needs stride 1 and a kernel of odd size")
        C, H, W = in_shape
        out = self._out(H, W)
        if min(out) < 1:
            raise ValueError(f"a kernel of {self.size} does not fit into {H} x {W}")
        k2 = self.size**2
        p = {"W": self.initializer(rng, (C * k2, self.filters), (C * k2, self.filters * k2))}
        if self.bias:
            p["b"] = np.zeros((1, self.filters))
        return p, (self.filters, *out)

    def forward(self, p: Params, x: Array, ctx: Context) -> tuple[Array, Any]:
        out = self._out(*x.shape[-2:])
        X = im2col(padded(x, self._frame, ctx.xp), self.size, self.stride, out, ctx.xp)
        y = T(p["W"])[..., None, :, :] @ X
        if self.bias:
            y += T(p["b"])[..., None, :, :]
        return y.reshape(*y.shape[:-1], *out), (X, x.shape[-3:])

    def backward(self, p: Params, cache: Any, dy: Array, ctx: Context, need_dx: bool = True) -> tuple[Array | None, Params]:
        X, shape = cache
        out = dy.shape[-2:]
        dy = dy.reshape(*dy.shape[:-2], out[0] * out[1])
        grads = {"W": (X @ T(dy)).sum(-3)}
        if self.bias:
            grads["b"] = dy.sum((-3, -1))[..., None, :]
        if not need_dx:
            return None, grads
        dX = p["W"][..., None, :, :] @ dy
        return col2im(dX, shape, self.size, self.stride, out, self._frame, ctx.xp), grads

    @property
    def _frame(self) -> int:
        return self.size // 2 if isinstance(self.padding, str) else self.padding

    def _out(self, H: int, W: int) -> tuple[int, int]:
        return tuple((n + 2 * self._frame - self.size) // self.stride + 1 for n in (H, W))  # type: ignore[return-value]

    @staticmethod
    def examples() -> list[tuple[Conv2d, Shape]]:
        return [(Conv2d(3), (2, 5, 4)), (Conv2d(2, 3, 2, 1, bias=False), (1, 5, 5)), (Conv2d(2, padding="same"), (2, 4, 4))]
