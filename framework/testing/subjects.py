"""The inputs that the kit draws for each differentiable kind, and how it differentiates it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from framework.core.arrays import Array
from framework.core.context import Context
from framework.core.signatures import has_method
from framework.core.types import Shape

N, STEPS, K = 5, 4, 4  # examples, time steps and outputs of the kit's batches
LETTERS = 3  # ids at a time step
Inputs = dict[str, Array]


class Sizes(NamedTuple):
    """Examples, time steps, the outputs that a loss reads, and the shape of a regularizer's tensor."""

    n: int = N
    steps: int = STEPS
    outputs: int = K
    tensor: tuple[int, int] = (4, 3)


USUAL = Sizes()


@dataclass(frozen=True)
class Result:
    """One forward and backward pass: the output, a number per replica (...), and the gradient of that number."""

    output: Array
    value: Array
    grads: Inputs


@dataclass(frozen=True)
class Differentiable:
    """The inputs of a component for the kit, with its forward and backward pass.

    Attributes:
        kind: of the component.
        draw: (component, rng) -> the inputs of one replica, without replica axes.
        forward: (component, inputs, ctx) -> output, cache.
        backward: (component, inputs, cache, dy, ctx) -> gradients by the name of their input.
        weighs: whether outputs are weighted and summed to one number per replica; a loss already is one.
        fixed: inputs that are not differentiated (targets).
        shareable: whether replicas may share an input, with a replica axis of length 1.
        n_axis: the core axis of N of an input, None for one without examples (a tensor).
        in_shape: for layers, the input shape.
        sizes: of the inputs that are drawn.
        build: the same with other sizes.
        excused: checks that the component declares as expected failures; other checks leave out the same comparison.
    """

    kind: str
    draw: Callable[[Any, np.random.Generator], Inputs]
    forward: Callable[[Any, Inputs, Context], tuple[Array, Any]]
    backward: Callable[..., Inputs]
    weighs: bool = True
    fixed: tuple[str, ...] = ()
    shareable: Callable[[str], bool] = lambda name: True
    n_axis: Callable[[str], int | None] = lambda name: 0
    in_shape: Shape | None = None
    sizes: Sizes = USUAL
    build: Callable[[Sizes], Differentiable] | None = None
    excused: frozenset[str] = frozenset()

    def resized(self, **sizes: Any) -> Differentiable:
        """The same with inputs of other sizes."""
        assert self.build is not None
        return replace(self.build(self.sizes._replace(**sizes)), excused=self.excused)

    def run(self, component: Any, inputs: Inputs, ctx: Context) -> Result:
        """Forward and backward pass."""
        output, cache = self.forward(component, inputs, ctx)
        value, dy = weighed(output, ctx) if self.weighs else (output, None)
        return Result(output, value, self.backward(component, inputs, cache, dy, ctx))

    def output_axis(self, component: Any) -> int:
        """The core axis of N of the output."""
        if self.in_shape is None:
            return next(
                axis for axis in map(self.n_axis, self.draw(component, np.random.default_rng(0))) if axis is not None
            )
        return _n_axis(component.init(np.random.default_rng(0), self.in_shape)[1])

    def differentiated(self, component: Any, inputs: Inputs) -> list[str]:
        """The inputs that have a gradient: real numbers that are neither fixed nor a buffer."""
        without = {*self.fixed, *(f"p.{name}" for name in getattr(component, "buffers", ()))}
        return [name for name, a in inputs.items() if name not in without and np.issubdtype(a.dtype, np.floating)]


def of_layer(in_shape: Shape | None, sizes: Sizes = USUAL) -> Differentiable:
    """Inputs: tensors as `p.W`, sources as `x0`, `x1` ...; ids where a shape has no features: () or (None,) or more."""
    in_shape = (4,) if in_shape is None else in_shape
    several = bool(in_shape) and isinstance(in_shape[0], tuple)
    shapes = in_shape if several else (in_shape,)

    def draw(layer: Any, rng: np.random.Generator) -> Inputs:
        p, _ = layer.init(rng, in_shape)
        buffers = getattr(layer, "buffers", ())
        p = {t: a if t in buffers else a + 0.1 * rng.standard_normal(a.shape) for t, a in p.items()}
        inputs = {f"p.{t}": a for t, a in p.items()}
        inputs |= {f"x{i}": _source(shape, rng, sizes, getattr(layer, "size", None)) for i, shape in enumerate(shapes)}
        if hasattr(layer, "updates"):  # buffers after a step, not initial ones
            _, cache = forward(layer, inputs, Context())
            inputs |= {f"p.{t}": a for t, a in layer.updates(p, cache, Context()).items()}
        return inputs

    def forward(layer: Any, inputs: Inputs, ctx: Context) -> tuple[Array, Any]:
        xs = tuple(a for name, a in inputs.items() if name.startswith("x"))
        y, cache = layer.forward(tensors(inputs), xs if several else xs[0], ctx)
        return y, cache

    def backward(layer: Any, inputs: Inputs, cache: Any, dy: Array, ctx: Context, need_dx: bool = True) -> Inputs:
        dx, grads = layer.backward(tensors(inputs), cache, dy, ctx, need_dx)
        dxs = () if dx is None else (dx if several else (dx,))
        return {f"p.{t}": g for t, g in grads.items()} | {f"x{i}": d for i, d in enumerate(dxs) if d is not None}

    def n_axis(name: str) -> int | None:
        return _n_axis(shapes[int(name[1:])]) if name.startswith("x") else None

    return Differentiable(
        "layer",
        draw,
        forward,
        backward,
        shareable=lambda name: name.startswith("x"),
        n_axis=n_axis,
        in_shape=in_shape,
        sizes=sizes,
        build=lambda sizes: of_layer(in_shape, sizes),
    )


def tensors(inputs: Inputs) -> Inputs:
    """A layer's tensors, by their own names."""
    return {name[2:]: a for name, a in inputs.items() if name.startswith("p.")}


def of_activation(in_shape: Shape | None, sizes: Sizes = USUAL) -> Differentiable:
    """Inputs: x."""

    def backward(activation: Any, inputs: Inputs, cache: Any, dy: Array, ctx: Context) -> Inputs:
        return {"x": activation.backward(cache, dy, ctx)}

    shape = in_shape or (4,)
    return Differentiable(
        "activation",
        lambda _, rng: {"x": rng.standard_normal(core_axes(shape, sizes))},
        lambda activation, inputs, ctx: activation.forward(inputs["x"], ctx),
        backward,
        n_axis=lambda name: _n_axis(shape),
        sizes=sizes,
        build=lambda sizes: of_activation(shape, sizes),
    )


def of_cell(in_shape: Shape | None, sizes: Sizes = USUAL) -> Differentiable:
    """Inputs: tensors as `p.U` (b is the layer's), the preactivation a, the old state s."""

    def draw(cell: Any, rng: np.random.Generator) -> Inputs:
        buffers = getattr(cell, "buffers", ())
        p = {t: a if t in buffers else a + 0.1 * rng.standard_normal(a.shape) for t, a in cell.init(rng).items() if t != "b"}
        given = {
            "a": rng.standard_normal((sizes.n, cell.gates * cell.units)),
            "s": rng.standard_normal((sizes.n, cell.state)),
        }
        return {f"p.{t}": a for t, a in p.items()} | given

    def backward(cell: Any, inputs: Inputs, cache: Any, dy: Array, ctx: Context) -> Inputs:
        da, ds = cell.back(tensors(inputs), cache, dy, ctx)
        grads = cell.grads(tensors(inputs), cache, da, ctx)
        return {f"p.{t}": g for t, g in grads.items()} | {"a": da, "s": ds}

    return Differentiable(
        "cell",
        draw,
        lambda cell, inputs, ctx: cell.step(tensors(inputs), inputs["a"], inputs["s"], ctx),
        backward,
        shareable=lambda name: not name.startswith("p."),
        n_axis=lambda name: None if name.startswith("p.") else 0,
        sizes=sizes,
        build=lambda sizes: of_cell(in_shape, sizes),
    )


def of_loss(in_shape: Shape | None, kind: str | None = None, time: bool = False, sizes: Sizes = USUAL) -> Differentiable:
    """Inputs: y (y0, y1 ... for a loss that reads several nodes), t, mask; t is of that kind of target, or of the first one
    that the loss declares, and absent if it declares none."""
    core = (sizes.steps, sizes.n) if time else (sizes.n,)

    def draw(loss: Any, rng: np.random.Generator) -> Inputs:
        kinds, sources = getattr(loss, "targets", ("real",)), getattr(loss, "sources", 1)
        chosen = kind or (kinds[0] if kinds else "real")
        drawn = [outputs_and_targets(chosen, core, rng, "label" in kinds, sizes.outputs) for _ in range(sources)]
        ys = [probabilities(y, chosen) if reads_probabilities(loss) else y for y, _ in drawn]
        if has_method(loss, "width"):
            ys = [rng.standard_normal((*core, loss.width(y.shape[-1]))) for y in ys]
        if hasattr(loss, "columns"):
            ys = [rng.standard_normal((*core, k)) for k in loss.columns(ys[0].shape[-1])]
        t = {"t": drawn[0][1]} if kinds else {}
        return by_source(ys[0] if sources == 1 else tuple(ys)) | t | {"mask": rng.uniform(0.5, 2, core)}

    return Differentiable(
        "loss",
        draw,
        lambda loss, inputs, ctx: loss(outputs(inputs), inputs.get("t"), ctx, inputs["mask"]),
        lambda loss, inputs, cache, dy, ctx: by_source(cache),
        weighs=False,
        fixed=("t", "mask"),
        n_axis=lambda name: int(time),
        sizes=sizes,
        build=lambda sizes: of_loss(in_shape, kind, time, sizes),
    )


def outputs(inputs: Inputs) -> Any:
    """The input of a loss: one array, or a tuple of them."""
    return inputs["y"] if "y" in inputs else tuple(a for name, a in inputs.items() if name.startswith("y"))


def by_source(y: Any) -> Inputs:
    """Outputs, or their gradients, under their names: y, or y0, y1 ..."""
    return {f"y{i}": a for i, a in enumerate(y)} if isinstance(y, tuple) else {"y": y}


def reads_probabilities(loss: Any) -> bool:
    """Whether a loss declares that the outputs it reads are probabilities."""
    return getattr(loss, "outputs", "raw") == "probability"


def probabilities(y: Array, kind: str) -> Array:
    """Softmax of raw outputs, or the sigmoid of each if columns are independent."""
    if kind == "columns" or y.shape[-1] == 1:
        return 1 / (1 + np.exp(-y))
    e = np.exp(y)
    return e / e.sum(-1, keepdims=True)


def outputs_and_targets(
    kind: str, core: tuple[int, ...], rng: np.random.Generator, by_class: bool = True, outputs: int = K
) -> tuple[Array, Array]:
    """Raw outputs (*core, outputs) and targets of a kind: real, label, columns, or binary (one column unless `by_class`)."""
    if kind == "binary":
        return rng.standard_normal((*core, 2 if by_class else 1)), rng.integers(0, 2, core)
    y = rng.standard_normal((*core, outputs))
    if kind == "label":
        return y, rng.integers(0, outputs, core)
    return y, rng.integers(0, 2, y.shape) if kind == "columns" else rng.standard_normal(y.shape) + 1.0


def of_regularizer(in_shape: Shape | None, sizes: Sizes = USUAL) -> Differentiable:
    """Inputs: W."""
    return Differentiable(
        "regularizer",
        lambda _, rng: {"W": rng.standard_normal(sizes.tensor)},
        lambda regularizer, inputs, ctx: regularizer(inputs["W"], ctx),
        lambda regularizer, inputs, cache, dy, ctx: {"W": cache},
        weighs=False,
        shareable=lambda name: False,
        n_axis=lambda name: None,
        sizes=sizes,
        build=lambda sizes: of_regularizer(in_shape, sizes),
    )


def core_axes(shape: Shape, sizes: Sizes = USUAL) -> tuple[int, ...]:
    """The core axes of a batch with that shape per example."""
    inner = tuple(LETTERS if k is None else k for k in shape[1:])
    return (sizes.steps, sizes.n, *inner) if shape and shape[0] is None else (sizes.n, *shape)


def _n_axis(shape: Shape) -> int:
    return 1 if shape and shape[0] is None else 0


def _source(shape: Shape, rng: np.random.Generator, sizes: Sizes, symbols: Any) -> Array:
    """Features, or ids below the layer's `size` where it has one: the first and the last id, and some twice."""
    if any(length is not None for length in shape):
        return rng.standard_normal(core_axes(shape, sizes))
    known = symbols if isinstance(symbols, int) else LETTERS
    ids = rng.integers(0, known, core_axes(shape, sizes))
    ids.flat[0], ids.flat[-1] = 0, known - 1
    return ids


def weighed(y: Array, ctx: Context) -> tuple[Array, Array]:
    """One number per replica, the sum of v y with fixed weights v, and dy = v."""
    lead = len(ctx.replicas)
    v = ctx.xp.asarray(np.random.Generator(np.random.PCG64(1)).standard_normal(y.shape[lead:]), dtype=y.dtype)
    return (y * v).sum(tuple(range(lead, y.ndim))), ctx.xp.broadcast_to(v, y.shape)


SUBJECTS: Mapping[str, Callable[[Shape | None], Differentiable]] = {
    "layer": of_layer,
    "activation": of_activation,
    "loss": of_loss,
    "regularizer": of_regularizer,
    "cell": of_cell,
}
