"""The optional members of a component that give arrays: `updates`, `carry`, `after` and so on, each as one function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from framework.core.context import Context
from framework.testing.subjects import Differentiable, Inputs, by_source, outputs, tensors, weighed

Member = Callable[[Any, Differentiable, Inputs, Context], Mapping[str, Any]]


def updates(part: Any, about: Differentiable, inputs: Inputs, ctx: Context) -> Mapping[str, Any]:
    """New values of the buffers."""
    _, cache = about.forward(part, inputs, ctx)
    return dict(part.updates(tensors(inputs), cache, ctx))


def project(part: Any, about: Differentiable, inputs: Inputs, ctx: Context) -> Mapping[str, Any]:
    """The tensors after `project`."""
    p = {name: a * 3 for name, a in tensors(inputs).items()}
    part.project(p, ctx)
    return p


def after(part: Any, about: Differentiable, inputs: Inputs, ctx: Context) -> Mapping[str, Any]:
    """W after `after`."""
    W = inputs["W"] * 1
    part.after(W, 0.1, ctx)
    return {"W, afterwards": W}


def carry(part: Any, about: Differentiable, inputs: Inputs, ctx: Context) -> Mapping[str, Any]:
    """The final state."""
    return {"state": part.carry(about.forward(part, inputs, ctx)[1])}


def terms(part: Any, about: Differentiable, inputs: Inputs, ctx: Context) -> Mapping[str, Any]:
    """Gradients by time step."""
    y, cache = about.forward(part, inputs, ctx)
    return dict(part.terms(tensors(inputs), cache, weighed(y, ctx)[1], ctx))


def predict(part: Any, about: Differentiable, inputs: Inputs, ctx: Context) -> Mapping[str, Any]:
    """The prediction of a loss, also under its mask if it depends on that."""
    found = {"prediction": part.predict(outputs(inputs), ctx)}
    if getattr(part, "predicts_by_mask", False):
        found["prediction under a mask"] = part.predict(outputs(inputs), ctx, inputs["mask"])
    return found


def unmasked(part: Any, about: Differentiable, inputs: Inputs, ctx: Context) -> Mapping[str, Any]:
    """The value and dy without a mask."""
    value, dy = part(outputs(inputs), inputs.get("t"), ctx)
    return {"value": value, **{f"d{name}": a for name, a in by_source(dy).items()}}


def trace(part: Any, about: Differentiable, inputs: Inputs, ctx: Context) -> Mapping[str, Any]:
    """What a cell shows of a step."""
    return dict(part.trace(about.forward(part, inputs, ctx)[1]))


def out(part: Any, about: Differentiable, inputs: Inputs, ctx: Context) -> Mapping[str, Any]:
    """The output of a cell's state, and its gradient."""
    y = part.out(inputs["s"])
    return {"out": y, "dout": part.dout(weighed(y, ctx)[1], ctx)}


def mask(part: Any, about: Differentiable, inputs: Inputs, ctx: Context) -> Mapping[str, Any]:
    """A pass whose batch has a mask: one example ends earlier, another one in each replica."""
    length, n = about.sizes.steps, about.sizes.n
    shown = np.ones((len(ctx.keys), length, n))
    for r, key in enumerate(ctx.keys):
        shown[r, -1, hash(key) % n] = 0
    fields = {part.mask: ctx.xp.asarray(shown.reshape(*ctx.replicas, length, n), inputs["x0"].dtype)}
    found = about.run(part, inputs, ctx.but(batch=fields))
    return {"output under a mask": found.output, **{f"gradient of '{n}' under a mask": g for n, g in found.grads.items()}}


def without_dx(part: Any, about: Differentiable, inputs: Inputs, ctx: Context) -> Mapping[str, Any]:
    """The gradients of a pass that needs no dx."""
    y, cache = about.forward(part, inputs, ctx)
    grads = about.backward(part, inputs, cache, weighed(y, ctx)[1], ctx, need_dx=False)
    return {f"gradient of '{name}'": g for name, g in grads.items()}


IN_PLACE = {"project": project, "after": after}
MEMBERS: Mapping[str, Mapping[str, Member]] = {
    "layer": {"updates": updates, "project": project, "carry": carry, "terms": terms, "without dx": without_dx},
    "cell": {"project": project, "trace": trace, "out": out},
    "loss": {"predict": predict, "without a mask": unmasked},
    "regularizer": {"after": after},
}


def offered(component: Any, about: Differentiable) -> dict[str, Member]:
    """The members of its kind that the component has. A layer that reads several sources carries no state."""
    known = MEMBERS.get(about.kind, {})
    found = {name: member for name, member in known.items() if " " in name or callable(getattr(component, name, None))}
    if about.in_shape and isinstance(about.in_shape[0], tuple):
        found.pop("carry", None)
    if _masks(component, about):
        found["mask"] = mask
    return found


def readers(part: Any, about: Differentiable, inputs: Inputs, dy: Any, ctx: Context) -> dict[str, Callable[[Any], Any]]:
    """The offered members that read a cache, each as a function of it."""
    p = tensors(inputs)
    known: dict[str, Callable[[Any], Any]] = {
        "updates": lambda cache: part.updates(p, cache, ctx),
        "carry": lambda cache: part.carry(cache),
        "terms": lambda cache: part.terms(p, cache, dy, ctx),
        "trace": lambda cache: part.trace(cache),
    }
    return {name: read for name, read in known.items() if name in offered(part, about)}


def _masks(component: Any, about: Differentiable) -> bool:
    sequence = about.kind == "layer" and about.in_shape is not None and about.in_shape[:1] == (None,)
    return sequence and isinstance(getattr(component, "mask", None), str)


def passed(part: Any, about: Differentiable, inputs: Inputs, ctx: Context) -> dict[str, Any]:
    """The output and all gradients of a pass, by a name for messages."""
    found = about.run(part, inputs, ctx)
    return {"output": found.output, **{f"gradient of '{name}'": g for name, g in found.grads.items()}}


def everything(part: Any, about: Differentiable, inputs: Inputs, ctx: Context) -> dict[str, Any]:
    """What a pass gives, and what the offered members give."""
    arrays = passed(part, about, inputs, ctx)
    for name, member in offered(part, about).items():
        arrays |= {f"{name}: {key}": a for key, a in member(part, about, inputs, ctx).items()}
    return arrays
