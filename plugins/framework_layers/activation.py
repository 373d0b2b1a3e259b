from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from framework import Activation, Array, Context, Params, Shape, registered


@dataclass(frozen=True)
class ActivationLayer:
    """y = f(x), elementwise;  dx = dy f'(x).

    Shapes: x, y, dy, dx (..., any core axes). f may also mix the last axis, as softmax does.
    """

    function: Activation = registered("activation", "relu", help="f, an activation")

    @property
    def per_example(self) -> bool:
        """Whether an output depends on its own example only: as the function declares."""
        return getattr(self.function, "per_example", False)

    @property
    def outputs(self) -> str | None:
        """The kind of output that f declares."""
        return getattr(self.function, "outputs", None)

    @property
    def place(self) -> str | None:
        """The layers that f is for, as it declares."""
        return getattr(self.function, "place", None)

    def init(self, rng: np.random.Generator, in_shape: Shape) -> tuple[Params, Shape]:
        return {}, in_shape

    def forward(self, p: Params, x: Array, ctx: Context) -> tuple[Array, Any]:
        return self.function.forward(x, ctx)

    def backward(self, p: Params, cache: Any, dy: Array, ctx: Context, need_dx: bool = True) -> tuple[Array | None, Params]:
        return (self.function.backward(cache, dy, ctx) if need_dx else None), {}

    @staticmethod
    def examples() -> list[tuple[ActivationLayer, Shape]]:
        return [(ActivationLayer(), (4,)), (ActivationLayer(), (2, 3, 3))]
