from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from framework import Array, Context, Initializer, Params, Shape, T, option, product, registered, row_sums
from framework_layers._bias import HELP, drawn_bias
from framework_layers._sequences import along_time, as_before, steps_that_count


@dataclass(frozen=True)
class Conv1d:
    """y_t = sum over i of x_{s t + d i} W_i + b, i = 0 ... size - 1: a dense layer that reads a window of steps.

    The windows are the rows of X (..., T' N, size F). Then  y = X W + b,  dW = X^T dy,  db = sum over rows of dy,
    dX = dy W^T; overlapping windows are summed in dx. With padding: same, the window has step t in its middle, and reads
    zeros beyond the ends: T' = T. With causal it ends with step t, and reads zeros before the first: T' = T. With valid it
    begins at step s t and stays inside: T' = (T - d (size - 1) - 1) // s + 1. s = stride, d = dilation: with d = 1, 2, 4 ...
    layer upon layer, a window grows exponentially (van den Oord et al. 2016). A stride needs mask: null, as later layers
    would not know which of the fewer steps count.

    Shapes: x (..., T, N, F), W (..., size F, filters), whose first F rows are W_0, b (..., 1, filters),
    y (..., T', N, filters), mask (..., T, N). Where the mask is 0 a step counts as zero, so that padding does not change
    the steps before it. Letters: x (..., T, N, L, F), y (..., T, N, L', filters), mask (..., T, N, L): a window of
    letters inside each word. Fans: in size F, out size filters. Collobert et al. (2011).
    """

    filters: int = option(least=1, help="outputs")
    size: int = option(3, least=1, help="steps of a window")
    padding: Literal["same", "causal", "valid"] = option(
        "same", help="same: zeros beyond the ends keep T; causal: zeros before the first step; valid: whole windows only"
    )
    mask: str | None = option("mask", help="the batch field of 0 and 1 for the steps, if there is one; null: none")
    bias: bool = option(True, help="whether to add b")
    initializer: Initializer = registered("initializer", "xavier_uniform", help="initial values of W")
    stride: int = option(1, least=1, help="distance between windows; above 1, padding is valid or causal, mask is null")
    dilation: int = option(1, least=1, help="distance between the steps of a window")
    bias_initializer: Initializer = registered("initializer", "zeros", inherit=False, help=HELP)

    @property
    def reverse(self) -> bool:
        """Whether its output depends on later steps."""
        return self.size > 1 and self.padding != "causal"

    @property
    def whole_sequences(self) -> bool:
        """Whether a step reads earlier ones, which no chunk of a sequence has."""
        return self.size > 1 and self.padding == "causal"

    @property
    def shortens(self) -> bool:
        """Whether its output has fewer steps than its input."""
        return self.stride > 1 or (self.padding == "valid" and self.size > 1)

    def init(self, rng: np.random.Generator, in_shape: Shape) -> tuple[Params, Shape]:
        if len(in_shape) not in (2, 3) or in_shape[-1] is None or (len(in_shape) == 3 and in_shape[0] is not None):
            raise ValueError(
                f"conv1d needs sequences (T, F) (got {in_shape}); put an embedding or one_hot layer before it for ids"
            )
        if self.padding == "same" and self.size % 2 == 0:
            raise ValueError("padding: same needs a window of odd size")
        if self.stride > 1 and (self.padding == "same" or self.mask is not None):
            raise ValueError(f"stride: more than 1 needs padding: valid or causal, and mask: null (got {self.stride})")
        length, F = in_shape[-2:]
        if length is not None:
            length = self._steps(length)
            if length < 1:
                raise ValueError(f"a window of {self._reach + 1} does not fit into {in_shape[-2]} steps")
        fans = (self.size * F, self.size * self.filters)
        p = {"W": self.initializer(rng, (self.size * F, self.filters), fans)}
        p |= drawn_bias(self.bias, self.bias_initializer, rng, self.filters, fans)
        return p, (*in_shape[:-2], length, self.filters)

    def forward(self, p: Params, x: Array, ctx: Context) -> tuple[Array, Any]:
        counts = steps_that_count(self.mask, x, ctx)
        folded = along_time(x, ctx)
        if counts is not None:
            folded = ctx.xp.where(counts, folded, ctx.xp.zeros_like(folded))
        X = self._windows(folded, ctx)
        y = product(X, p["W"])
        if self.bias:
            y += p["b"]
        y = y.reshape(*y.shape[:-2], -1, folded.shape[-2], self.filters)
        return as_before(y, x, ctx), (X, folded.shape[-3:], counts, x)

    def backward(self, p: Params, cache: Any, dy: Array, ctx: Context, need_dx: bool = True) -> tuple[Array | None, Params]:
        X, shape, counts, x = cache
        d = along_time(dy, ctx)
        rows = d.reshape(*d.shape[:-3], -1, self.filters)
        grads = {"W": product(T(X), rows)}
        if self.bias:
            grads["b"] = row_sums(rows, ctx.xp)
        if not need_dx:
            return None, grads
        dx = self._summed(product(rows, T(p["W"])), shape, ctx)
        if counts is not None:
            dx = ctx.xp.where(counts, dx, ctx.xp.zeros_like(dx))
        return as_before(dx, x, ctx), grads

    def _windows(self, x: Array, ctx: Context) -> Array:
        """The rows (..., T' N, size F) of sequences (..., T, N, F)."""
        *lead, steps, N, F = x.shape
        (front, back), out = self._frame, self._steps(steps)
        if out < 1:
            raise ValueError(
                f"layer '{ctx.name}': sequences of {steps} steps are shorter than a window of {self._reach + 1}; "
                "use padding: same"
            )
        wide = x
        if front or back:
            wide = ctx.xp.zeros((*lead, front + steps + back, N, F), x.dtype)
            wide[..., front : front + steps, :, :] = x
        X = ctx.xp.concatenate([wide[..., at, :, :] for at in self._places(out)], -1)
        return X.reshape(*lead, out * N, self.size * F)

    def _summed(self, dX: Array, shape: Shape, ctx: Context) -> Array:
        """The sums over windows (..., T' N, size F) at each step: (..., T, N, F)."""
        steps, N, F = shape
        (front, back), out, lead = self._frame, self._steps(steps), dX.shape[:-2]
        each = dX.reshape(*lead, out, N, self.size * F)
        dx = ctx.xp.zeros((*lead, front + steps + back, N, F), dX.dtype)
        for i, at in enumerate(self._places(out)):
            dx[..., at, :, :] += each[..., i * F : (i + 1) * F]
        return dx[..., front : front + steps, :, :]

    @property
    def _reach(self) -> int:
        """From the first step of a window to its last."""
        return self.dilation * (self.size - 1)

    @property
    def _frame(self) -> tuple[int, int]:
        """Zeros before the first step and after the last."""
        if self.padding == "causal":
            return self._reach, 0
        half = self._reach // 2 if self.padding == "same" else 0
        return half, half

    def _steps(self, steps: int) -> int:
        """T' of T steps."""
        return (steps + sum(self._frame) - self._reach - 1) // self.stride + 1

    def _places(self, out: int) -> list[slice]:
        """For each step of a window, where it is in all windows."""
        d, s, length = self.dilation, self.stride, self.stride * (out - 1) + 1
        return [slice(i * d, i * d + length, s) for i in range(self.size)]

    @staticmethod
    def examples() -> list[tuple[Conv1d, Shape]]:
        valid = Conv1d(2, 2, "valid", mask=None, bias=False)
        causal = Conv1d(2, 3, "causal", dilation=2)
        strided = Conv1d(2, 2, "valid", mask=None, stride=2)
        layers = [(layer, (None, 4)) for layer in (Conv1d(3), causal, strided)]
        return [*layers, (valid, (None, 3)), (Conv1d(2, mask=None), (None, None, 3))]
