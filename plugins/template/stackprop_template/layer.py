from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from framework import Array, Context, Params, Shape, hookimpl, option
from framework.hooks import Register


@dataclass(frozen=True)
class Scale:
    """y = x s + b, with one factor and one offset per feature.

    ds = sum over N of dy x,  db = sum over N of dy,  dx = dy s.

    Shapes: x, y (..., N, F), s, b (..., 1, F). s starts at `start`, b at 0.
    """

    start: float = option(1.0, stackable=True, help="initial value of every s")

    def init(self, rng: np.random.Generator, in_shape: Shape) -> tuple[Params, Shape]:
        if len(in_shape) != 1:
            raise ValueError(f"template_scale needs (F,) (got {in_shape}); put a flatten layer before it")
        return {"s": np.full((1, *in_shape), self.start), "b": np.zeros((1, *in_shape))}, in_shape

    def forward(self, p: Params, x: Array, ctx: Context) -> tuple[Array, Array]:
        return x * p["s"] + p["b"], x

    def backward(
        self, p: Params, cache: Array, dy: Array, ctx: Context, need_dx: bool = True
    ) -> tuple[Array | None, Params]:
        x = cache
        grads = {"s": (dy * x).sum(-2, keepdims=True), "b": dy.sum(-2, keepdims=True)}
        return (dy * p["s"] if need_dx else None), grads


@hookimpl
def register_layers(register: Register) -> None:
    register("template_scale", Scale)
