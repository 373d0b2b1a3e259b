from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from framework import Array, Context, Params, Shape, option


@dataclass(frozen=True)
class GradientScale:
    """y = x, and dx = scale dy: how much the losses behind this layer train the layers before it.

    With scale 1 several heads train a shared encoder by the sum of their losses (joint training). With 0 the gradient
    stops: the head learns from an encoder that it does not change (a pipeline). A negative scale is gradient reversal
    (Ganin & Lempitsky 2015): dx is then no gradient of the loss, which is intended.

    Shapes: x, y (..., F) with any core axes before it.
    """

    per_example: ClassVar[bool] = True
    expected_failures: ClassVar[Mapping[str, str]] = {"gradient": "dx is scaled, and y is not"}
    scale: float = option(1.0, stackable=True, help="the factor of the gradient; 0 stops it")

    def init(self, rng: np.random.Generator, in_shape: Shape) -> tuple[Params, Shape]:
        return {}, in_shape

    def forward(self, p: Params, x: Array, ctx: Context) -> tuple[Array, None]:
        return x, None

    def backward(self, p: Params, cache: None, dy: Array, ctx: Context, need_dx: bool = True) -> tuple[Array | None, Params]:
        return (ctx.per(self.scale, dy) * dy if need_dx else None), {}

    @staticmethod
    def examples() -> list[tuple[GradientScale, Shape]]:
        return [(GradientScale(), (4,)), (GradientScale(-0.5), (None, 3))]
