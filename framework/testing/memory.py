"""Checks of who owns which memory: nothing is kept between passes, and nothing is shared that somebody may overwrite."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from itertools import combinations
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np

from framework.core.arrays import Array
from framework.testing.members import everything
from framework.testing.stacks import context, equal, inside, stacked
from framework.testing.subjects import Differentiable, Inputs, weighed

OTHERS = 4  # instances with other options


def check_memory(component: Any, about: Differentiable) -> None:
    """Results stay as they are during later passes, of this instance or of another one. Inputs may change in place between
    passes. The gradient of a tensor is a new array.

    Cannot see: memory that only passes of other sizes share.
    """
    lead = (1,)
    part, _, _, inputs = stacked(component, about, lead)
    other = _another(component, about)
    ctx = context(lead)
    _apart(part, about, inputs)
    results = _pass(part, about, inputs)
    kept = {name: a.copy() for name, a in results.items()}
    about.run(part, other, context(lead, train=False))
    for given in (other, inputs, other):
        _pass(part, about, given)
    for name, a in results.items():
        assert np.array_equal(a, kept[name], equal_nan=True), f"{name} was overwritten by a later pass"
    _beside_others(component, about, part, inputs, kept)
    fresh = everything(part, about, {name: a.copy() for name, a in other.items()}, ctx)
    for name, a in inputs.items():
        a[...] = other[name]
    for name, a in everything(part, about, inputs, ctx).items():
        equal(a, fresh[name], f"after the inputs and tensors changed in place, {name}")


def _pass(part: Any, about: Differentiable, inputs: Inputs) -> Inputs:
    """The output and the gradients of one pass, as they are returned."""
    ctx = context((1,))
    y, cache = about.forward(part, inputs, ctx)
    dy = weighed(y, ctx)[1].copy() if about.weighs else None
    return {"the output": y} | {f"the gradient of '{n}'": g for n, g in about.backward(part, inputs, cache, dy, ctx).items()}


def _another(component: Any, about: Differentiable) -> Inputs:
    """Other inputs of the same shapes, behind a replica axis."""
    return {name: a[None].copy() for name, a in about.draw(component, np.random.default_rng(11)).items()}


def _apart(part: Any, about: Differentiable, inputs: Inputs) -> None:
    ctx = context((1,))
    y, cache = about.forward(part, inputs, ctx)
    dy = weighed(y, ctx)[1].copy() if about.weighs else None
    grads = about.backward(part, inputs, cache, dy, ctx)
    owned = {n: g for n, g in grads.items() if not about.weighs or n.startswith("p.")}
    rest = {**inputs, **({"dy": dy} if about.weighs else {"the value": y})}
    for name, grad in owned.items():
        for what, a in rest.items():
            assert not _share(grad, a), f"the gradient of '{name}' shares its memory with '{what}'; return a new array"
    for (name, a), (what, b) in combinations(owned.items(), 2):
        assert not _share(a, b), f"the gradients of '{name}' and '{what}' share their memory; return a new array each"


def _share(a: Any, b: Any) -> bool:
    try:
        return bool(np.shares_memory(a, b, max_work=100_000))  # type: ignore[arg-type]  # the stubs know two limits
    except np.exceptions.TooHardError:
        return True


def _beside_others(component: Any, about: Differentiable, part: Any, inputs: Inputs, kept: Inputs) -> None:
    """Passes of instances with other options in between change nothing."""
    for other in others(component):
        try:
            theirs, _, _, given = stacked(other, about, (1,))
            _pass(theirs, about, given)
        except Exception:  # an option may not fit these inputs; that instance is not checked here
            continue
        for name, a in _pass(part, about, inputs).items():
            assert np.array_equal(a, kept[name], equal_nan=True), f"{name} changes after a pass of {other}"


def others(component: Any) -> Iterator[Any]:
    """Instances that differ in one option each."""
    if not is_dataclass(component) or isinstance(component, type):
        return
    left, hints = OTHERS, get_type_hints(type(component))
    for f in fields(component):
        value = _other_value(f, getattr(component, f.name), hints.get(f.name))
        if f.init and value is not None and left:
            left -= 1
            try:
                yield replace(component, **{f.name: value})
            except Exception:  # refused
                continue


def _other_value(f: Any, value: Any, hint: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if get_origin(hint) is Literal:
        return next((choice for choice in get_args(hint) if choice != value), None)
    moves: list[Callable[[Any], Any]] = [lambda v: v + 1, lambda v: v - 1, lambda v: v * 0.7, lambda v: v * 1.3]
    if isinstance(value, int | float):
        moved = (move(value) for move in (moves[:2] if isinstance(value, int) else moves[2:]))
        return next((v for v in moved if inside(f, v)), None)
    return None


# Ways to lay out the same numbers in memory.
def _spaced(a: Array) -> Array:
    return np.repeat(a, 2, -1)[..., ::2]


def _turned(a: Array) -> Array:
    return np.swapaxes(np.ascontiguousarray(np.swapaxes(a, -1, -2)), -1, -2) if a.ndim > 1 else a


def _backwards(a: Array) -> Array:
    return np.ascontiguousarray(a[..., ::-1])[..., ::-1]


LAYOUTS: dict[str, Callable[[Array], Array]] = {"strided": _spaced, "transposed": _turned, "reversed": _backwards}


def check_strides(component: Any, about: Differentiable) -> None:
    """Inputs and dy that are not contiguous, in three layouts, give the same values; what works in place changes them too.

    Cannot see: other layouts.
    """
    part, _, _, inputs = stacked(component, about, (3,))
    ctx = context((3,))
    plain, y = everything(part, about, inputs, ctx), about.forward(part, inputs, ctx)[0]
    dy = np.ascontiguousarray(weighed(y, ctx)[1]) if about.weighs else None
    for what, layout in LAYOUTS.items():
        given = {name: layout(a) for name, a in inputs.items()}
        for name, a in everything(part, about, given, ctx).items():
            equal(a, plain[name], f"{name} of {what} inputs")
        _in_place(part, layout, given, inputs, what)
        if dy is not None:
            _, cache = about.forward(part, inputs, ctx)
            for name, a in about.backward(part, inputs, cache, layout(dy), ctx).items():
                equal(a, plain[f"gradient of '{name}'"], f"gradient of '{name}' for a {what} dy")


def _in_place(part: Any, layout: Callable[[Array], Array], given: Inputs, inputs: Inputs, what: str) -> None:
    """`after` and `project` on tensors that are views, as those of a stack are."""
    ctx = context((3,))
    pairs = []
    if hasattr(part, "after"):
        pairs = [({"W": layout(inputs["W"] * 1)}, {"W": inputs["W"] * 1})]
        for p in pairs[0]:
            part.after(p["W"], 0.1, ctx)
    if hasattr(part, "project"):
        tensors = {name[2:]: a * 3 for name, a in inputs.items() if name.startswith("p.")}
        pairs = [({name: layout(a) for name, a in tensors.items()}, tensors)]
        for p in pairs[0]:
            part.project(p, ctx)
    for views, arrays in pairs:
        for name, a in arrays.items():
            equal(views[name], a, f"'{name}', {what} and changed in place")
