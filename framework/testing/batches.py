"""Checks with batches, sequences and tensors of several sizes."""

from __future__ import annotations

import linecache
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from framework.core.arrays import Array
from framework.testing.differences import compare
from framework.testing.purity import works
from framework.testing.stacks import context, equal, stacked
from framework.testing.subjects import Differentiable, Inputs, Sizes, of_activation, of_layer

# Other sizes than those of the other checks: 1, and the lengths of core axes, which a batch may share.
BATCHES = ({"n": 1, "steps": 1}, {"n": 4, "steps": 2}, {"n": 3, "steps": 1}, {"n": 16, "steps": 5}, {"n": 20, "steps": 6})
TENSORS = tuple({"tensor": shape} for shape in ((1, 1), (1, 5), (5, 1), (3, 9), (4, 4)))
WIDE = 20


class RefusedError(Exception):
    """The component says that it does not take such a shape."""


@contextmanager
def refusals() -> Iterator[None]:
    """A ValueError that the component raises itself becomes `RefusedError`; one out of array code stays."""
    try:
        yield
    except ValueError as error:
        if raised_on_purpose(error):
            raise RefusedError(str(error)) from error
        raise


def raised_on_purpose(error: BaseException) -> bool:
    """Whether the last line that ran is a `raise` outside NumPy."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    if at is None:
        return False
    path = at.tb_frame.f_code.co_filename
    return "numpy" not in path and linecache.getline(path, at.tb_lineno).strip().startswith("raise")


def check_batches(component: Any, about: Differentiable) -> None:
    """Gradients and shapes hold for batches of 1, 3, 4, 16 and 20 examples, and sequences of 1 step and more; for a
    regularizer, for tensors of one row, of one column, wide and square. Nothing is NaN. A ValueError may reject a size.

    Cannot see: a mistake at one other size.
    """
    for sizes in TENSORS if about.kind == "regularizer" else BATCHES:
        check_size(component, about.resized(**sizes), _named(sizes))


def _named(sizes: Any) -> str:
    return ", ".join(f"{name} = {size}" for name, size in sizes.items())


def check_size(component: Any, about: Differentiable, what: str, straight: bool = False) -> None:
    """Shapes and gradients with replica axes (1,); nothing if the size is refused."""
    try:
        with refusals(), np.errstate(all="ignore"):  # the result is checked
            part, _, _, inputs = stacked(component, about, (1,))
            result = about.run(part, inputs, context((1,)))
    except RefusedError:
        return
    assert result.output.shape[:1] == (1,), f"with {what} the output {result.output.shape} lost the replica axis"
    for name, a in {"output": result.output, "value": result.value}.items():
        assert not np.isnan(a).any(), f"with {what} the {name} is NaN"
    for name, grad in result.grads.items():
        assert grad.shape == inputs[name].shape, f"with {what} the gradient of '{name}' is {grad.shape}"
    if "gradient" not in about.excused:
        compare(part, about, inputs, context((1,)), f" with {what}", scale=2, straight=straight)


def check_choice(component: Any, about: Differentiable) -> None:
    """Shapes and gradients of a component with another value of an option, which may declare other expected failures, or be
    straight through."""
    own = frozenset(getattr(component, "expected_failures", ()))
    check_size(component, replace(about.resized(n=3), excused=about.excused | own), "3 examples", straight=True)


def check_evaluation(component: Any, about: Differentiable) -> None:
    """With ctx.train = False, an output depends on its own example only: no noise, no batch statistics, whatever else is in
    the batch and however large it is.

    Cannot see: examples that affect each other in training (see `over_batch`).
    """
    whole = about.resized(n=WIDE)
    part, _, _, inputs = stacked(component, whole, (3,))
    ctx = context((3,), train=False)
    y, _ = whole.forward(part, inputs, ctx)
    later = context((3,), train=False, step=4).but(keys=(7, 8, 9), part=1, name="other")
    equal(whole.forward(part, inputs, later)[0], y, "with ctx.train = False, the output in another step")
    axis = 1 + whole.output_axis(component)
    for rows in (slice(1, 2), slice(0, 4), slice(3, 6), slice(2, 18)):
        few, _ = whole.forward(part, taken(whole, inputs, rows), ctx)
        n = rows.stop - rows.start
        equal(few, part_of(y, rows, axis), f"with ctx.train = False, the output of {n} of the {WIDE} examples of a batch")


def taken(about: Differentiable, inputs: Inputs, rows: slice) -> Inputs:
    """The inputs of some of the examples, behind one replica axis."""
    axes = {name: about.n_axis(name) for name in inputs}
    return {name: a if axes[name] is None else part_of(a, rows, 1 + int(axes[name] or 0)) for name, a in inputs.items()}


def part_of(a: Array, rows: slice, axis: int) -> Array:
    """Some rows of an axis."""
    return a[(slice(None),) * axis + (rows,)]


def check_over_batch(component: Any, about: Differentiable) -> None:
    """In training too, an output depends on its own example only, unless a layer declares `over_batch`.

    Cannot see: a dependence that is exactly 0 for these numbers.
    """
    if getattr(component, "over_batch", False) or ("evaluation" in about.excused and "over_batch" not in about.excused):
        return
    part, _, _, inputs = stacked(component, about, (3,))
    axis, ctx = 1 + about.output_axis(component), context((3,))
    other = about.draw(component, np.random.default_rng(11))
    changed = {name: a.copy() for name, a in inputs.items()}
    for name, a in changed.items():
        n = about.n_axis(name)
        if n is not None:
            part_of(a, slice(0, 1), 1 + n)[...] = part_of(other[name], slice(0, 1), n)
    y, moved = (part_of(about.forward(part, given, ctx)[0], slice(1, None), axis) for given in (inputs, changed))
    equal(moved, y, "in training, although only the first example changed, the output of the others (see `over_batch`)")


def check_reverse(layer: Any, about: Differentiable) -> None:
    """The output of a step depends on later steps only if the layer declares `reverse`.

    Cannot see: layers whose output has another number of steps.
    """
    shape = about.in_shape or ()
    shapes = shape if shape and isinstance(shape[0], tuple) else (shape,)
    if getattr(layer, "reverse", False):
        return
    part, _, _, inputs = stacked(layer, about, (3,))
    ctx = context((3,), train=False)
    y, others = about.forward(part, inputs, ctx)[0], about.draw(layer, np.random.default_rng(11))
    for name in [f"x{i}" for i, each in enumerate(shapes) if each and each[0] is None]:
        changed = inputs[name].copy()
        changed[:, -1] = others[name][-1]
        moved = about.forward(part, inputs | {name: changed}, ctx)[0]
        if y.ndim > 3 and y.shape[1] == about.sizes.steps:
            what = f"although only the last step of '{name}' changed, the output of earlier ones (see `reverse`)"
            equal(moved[:, :-1], y[:, :-1], what)


def check_widths(layer: Any, about: Differentiable) -> None:
    """A layer that takes one feature, or many, has right shapes and gradients there as well; so has one that takes sequences
    or images too. A ValueError may reject a shape.

    Cannot see: ids; a shape with which the forward pass fails; another number of axes if shapes do not agree there.
    """
    for shape in _other_widths(about.in_shape):
        changed = _layer(shape, about)
        if _reads(layer, changed):
            with works(f"with an input of shape {shape} the forward pass works, but the backward pass does not"):
                check_size(layer, changed, f"an input of shape {shape}")
    for shape in _other_axes(about.in_shape):
        changed = _layer(shape, about)
        try:
            part, _, _, inputs = stacked(layer, changed, (1,))
            result = changed.run(part, inputs, context((1,)))
        except Exception:  # made for other axes
            continue
        if all(g.shape == inputs[name].shape for name, g in result.grads.items()):
            check_size(layer, changed, f"an input of shape {shape}")


def _reads(layer: Any, about: Differentiable) -> bool:
    """Whether `init` takes a shape, and `forward` works with it."""
    try:
        part, _, _, inputs = stacked(layer, about, (1,))
        about.forward(part, inputs, context((1,)))
    except ValueError:  # the options do not fit it, or the sources not each other
        return False
    return True


def check_axes(activation: Any, about: Differentiable) -> None:
    """An activation works for sequences and images too.

    Cannot see: more axes.
    """
    for shape in _other_axes(about.in_shape):
        changed = replace(of_activation(shape, Sizes(n=3)), excused=about.excused)
        check_size(activation, changed, f"an input of shape {shape}")


def _other_axes(shape: Any) -> list[Any]:
    """Shapes of examples, sequences and images, besides the given one."""
    known = shape or (4,)
    if isinstance(known[0], tuple) or known[-1] is None:
        return []
    return [other for other in ((4,), (None, 4), (2, 3, 4)) if len(other) != len(known)]


def _layer(shape: Any, about: Differentiable) -> Differentiable:
    return replace(of_layer(shape, Sizes(n=3)), excused=about.excused)


def _other_widths(shape: Any) -> list[Any]:
    if shape and isinstance(shape[0], tuple):
        *first, last = shape
        return [(*first, (*last[:-1], last[-1] + 1))] if last and last[-1] is not None else []
    if not shape or shape[-1] is None:
        return []
    if len(shape) == 3:
        return [(1, *shape[1:]), (shape[0], shape[1], shape[2] + 1)]
    return [(*shape[:-1], width) for width in (1, 7)]
