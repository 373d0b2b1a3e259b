from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from framework import Array, Context, Params, Shape, option
from framework_layers._windows import NONE, Pair
from framework_layers.sum_pool import SumPool


@dataclass(frozen=True)
class AveragePool(SumPool):
    """y = the mean of each window, the sum of sum_pool divided by n, the size of a window; each of its values gets dy / n.

    The zeros of padding count as values (PyTorch's default, count_include_pad=True): n is the same for every window.
    With count_include_pad: false n is the number of values that are no padding.

    Shapes: x (..., N, C, H, W), y (..., N, C, Ho, Wo), Ho = (H + 2 padding - size) // stride + 1, Wo likewise;
    size, stride and padding are numbers or [rows, columns].
    """

    count_include_pad: bool = option(True, help="whether the zeros of padding count as values of a window")

    def forward(self, p: Params, x: Array, ctx: Context) -> tuple[Array, Any]:
        y, cache = super().forward(p, x, ctx)
        n = self._counted(x.shape[-2:], x.dtype, ctx)
        return y / n, (cache, n)

    def backward(self, p: Params, cache: Any, dy: Array, ctx: Context, need_dx: bool = True) -> tuple[Array | None, Params]:
        cache, n = cache
        return super().backward(p, cache, dy / n, ctx, need_dx)

    def _counted(self, shape: Pair, dtype: Any, ctx: Context) -> Any:
        """The number of values of a window, (Ho, Wo) if it is not the same for all."""
        at = self._windows(shape)
        if self.count_include_pad or at.frame == NONE:
            return at.area
        counted, _ = super().forward({}, np.ones(shape), Context())
        return ctx.xp.asarray(counted, dtype)

    @staticmethod
    def examples() -> list[tuple[SumPool, Shape]]:
        without = AveragePool((3, 2), (2, 1), 1, count_include_pad=False)
        return [(AveragePool(), (2, 4, 4)), (AveragePool(3, 1, 1), (1, 5, 4)), (without, (1, 5, 4))]
