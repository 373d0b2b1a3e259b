from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from framework import Array, Context, option


@dataclass(frozen=True)
class Sgd:
    """w <- w - lr g, gradient descent; the batch size makes it batch, mini-batch or stochastic.

    Shapes: w, g (..., P), lr (..., 1) or a number.
    """

    elementwise: ClassVar[bool] = True

    lr: float | Array = option(0.1, above=0, stackable=True, help="learning rate")

    def init(self, w: Array) -> dict[str, Any]:
        return {}

    def update(self, w: Array, g: Array, state: dict[str, Any], lr: float | Array, ctx: Context) -> None:
        w -= lr * g
