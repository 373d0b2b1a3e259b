"""How the kit draws inputs for each differentiable kind, and differentiates it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from framework.arrays import Array
from framework.components import Shape
from framework.context import Context

N, STEPS = 5, 4  # examples and time steps of the kit's batches
Inputs = dict[str, Array]


@dataclass(frozen=True)
class Result:
    """One forward and backward pass: the output, a number per replica (...), and the gradient of that number."""

    output: Array
    value: Array
    grads: Inputs


@dataclass(frozen=True)
class Differentiable:
    """How the kit draws inputs for a component and differentiates it.

    Attributes:
        draw: (component, rng) -> the inputs of one replica, without replica axes.
        run: (component, inputs, ctx) -> Result.
        fixed: inputs that are not differentiated (targets).
        shareable: inputs that replicas may share, with a replica axis of length 1.
    """

    draw: Callable[[Any, np.random.Generator], Inputs]
    run: Callable[[Any, Inputs, Context], Result]
    fixed: tuple[str, ...] = ()
    shareable: Callable[[str], bool] = lambda name: True


def _of_layer(in_shape: Shape | None) -> Differentiable:
    if in_shape is None:
        raise ValueError("a layer is checked with an in_shape")
    several = bool(in_shape) and isinstance(in_shape[0], tuple)
    shapes = in_shape if several else (in_shape,)

    def draw(layer: Any, rng: np.random.Generator) -> Inputs:
        p, _ = layer.init(rng, in_shape)
        inputs = {f"p.{t}": a + 0.1 * rng.standard_normal(a.shape) for t, a in p.items()}
        return inputs | {f"x{i}": rng.standard_normal(_core(shape)) for i, shape in enumerate(shapes)}

    def run(layer: Any, inputs: Inputs, ctx: Context, need_dx: bool = True) -> Result:
        p = {t[2:]: a for t, a in inputs.items() if t.startswith("p.")}
        xs = tuple(a for t, a in inputs.items() if t.startswith("x"))
        y, cache = layer.forward(p, xs if several else xs[0], ctx)
        value, dy = _weighed(y, ctx)
        dx, grads = layer.backward(p, cache, dy, ctx, need_dx)
        dxs = () if dx is None else (dx if several else (dx,))
        return Result(y, value, {f"p.{t}": g for t, g in grads.items()} | {f"x{i}": d for i, d in enumerate(dxs)})

    return Differentiable(draw, run, shareable=lambda name: name.startswith("x"))


def _of_activation(in_shape: Shape | None) -> Differentiable:
    def run(activation: Any, inputs: Inputs, ctx: Context) -> Result:
        y, cache = activation.forward(inputs["x"], ctx)
        value, dy = _weighed(y, ctx)
        return Result(y, value, {"x": activation.backward(cache, dy, ctx)})

    return Differentiable(lambda _, rng: {"x": rng.standard_normal(_core(in_shape or (4,)))}, run)


def _of_loss(in_shape: Shape | None) -> Differentiable:
    K = 4

    def draw(loss: Any, rng: np.random.Generator) -> Inputs:
        kind = getattr(loss, "targets", ("real",))[0]
        y = rng.standard_normal((N, K))
        t = {"real": y[::-1] + 1.0, "label": rng.integers(0, K, N), "columns": rng.integers(0, 2, (N, K))}[kind]
        return {"y": y, "t": t, "mask": rng.uniform(0.5, 2, N)}

    def run(loss: Any, inputs: Inputs, ctx: Context) -> Result:
        value, dy = loss(inputs["y"], inputs["t"], ctx, inputs["mask"])
        return Result(value, value, {"y": dy})

    return Differentiable(draw, run, fixed=("t", "mask"))


def _of_regularizer(in_shape: Shape | None) -> Differentiable:
    def run(regularizer: Any, inputs: Inputs, ctx: Context) -> Result:
        value, dW = regularizer(inputs["W"], ctx)
        return Result(value, value, {"W": dW})

    return Differentiable(lambda _, rng: {"W": rng.standard_normal((4, 3))}, run, shareable=lambda name: False)


def _core(shape: Shape) -> tuple[int, ...]:
    """The core axes of a batch with that shape per example."""
    return (STEPS, N, *shape[1:]) if shape and shape[0] is None else (N, *shape)


def _weighed(y: Array, ctx: Context) -> tuple[Array, Array]:
    """A number per replica, sum of v y with fixed weights v, and dy = v."""
    lead = len(ctx.replicas)
    v = np.random.default_rng(1).standard_normal(y.shape[lead:]).astype(y.dtype)
    return (y * v).sum(tuple(range(lead, y.ndim))), np.broadcast_to(v, y.shape)


DIFFERENTIABLE: Mapping[str, Callable[[Shape | None], Differentiable]] = {
    "layer": _of_layer,
    "activation": _of_activation,
    "loss": _of_loss,
    "regularizer": _of_regularizer,
}
