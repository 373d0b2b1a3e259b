"""Every built-in component, traced and compiled, against its array form: values, gradients and updates."""

import numpy as np
import pytest
from compiling import same

from framework import Context, discover
from framework.testing import examples

registry = discover()
CASES = [
    (kind, name, i)
    for kind in ("layer", "activation", "loss", "optimizer", "regularizer")
    for name in registry.names(kind)
    for i in range(len(examples(registry.get(kind, name))))
]


def draws(rng, shape):
    return rng.standard_normal((1, *(3 if n is None else n for n in shape)))


def batch(shape, n=4):
    """The shape of a batch (..., [T,] N, ...)."""
    return (3, n, *shape[1:]) if shape[:1] == (None,) else (n, *shape)


def layer(component, shape, xp_check):
    rng = np.random.default_rng(0)
    shape = (4,) if shape is None else shape
    shapes = list(shape) if shape and isinstance(shape[0], tuple) else [shape]
    p, out = component.init(rng, tuple(shape))
    ids = any(s in ((None,), ()) for s in shapes)
    xs = {f"x{i}": rng.integers(0, 3, batch(s))[None] if ids else draws(rng, batch(s)) for i, s in enumerate(shapes)}
    tensors = {f"p_{name}": np.asarray(a, float)[None] for name, a in p.items()}

    def run(xp, **given):
        ctx = xp_check(xp)
        own = {name: given[f"p_{name}"] for name in p}
        x = tuple(given[name] for name in xs)
        y, cache = component.forward(own, x if len(x) > 1 else x[0], ctx)
        dx, grads = component.backward(own, cache, given["dy"], ctx, not ids)
        found = [y, *grads.values()]
        return found + ([] if dx is None else list(dx) if isinstance(dx, tuple) else [dx])

    same(run, dy=draws(rng, batch(out)), **xs, **tensors)


class Drawing(Context):
    """Draws the same numbers in both tiers."""

    def _draw(self, like, draw, sample):
        return self.xp.asarray(sample(np.random.default_rng(draw), like.shape[1:])[None], dtype=like.dtype)


def context(xp):
    return Drawing(xp, (1,), (0,))


def activation(component, shape, _):
    rng = np.random.default_rng(1)

    def run(xp, x, dy):
        y, cache = component.forward(x, context(xp))
        return [y, component.backward(cache, dy, context(xp))]

    same(run, x=draws(rng, (5, 4)), dy=draws(rng, (5, 4)))


def loss(component, shape, _):
    rng = np.random.default_rng(2)
    kinds = getattr(component, "targets", ("real",))
    n = getattr(component, "sources", 1)
    y = {f"y{i}": draws(rng, (6, 3)) for i in range(n)}
    if getattr(component, "outputs", None) == "probability":
        y = {name: np.exp(a) / np.exp(a).sum(-1, keepdims=True) for name, a in y.items()}
    t = {} if not kinds else {"t": rng.integers(0, 3, (1, 6))} if "label" in kinds else {"t": np.abs(draws(rng, (6, 3))) % 1}

    def run(xp, **given):
        outputs = tuple(given[name] for name in y)
        value, dy = component(outputs if n > 1 else outputs[0], given.get("t"), context(xp))
        return [value, *(dy if isinstance(dy, tuple) else [dy])]

    same(run, **y, **t)


def optimizer(component, shape, _):
    rng = np.random.default_rng(3)
    w, g = draws(rng, (7,)), draws(rng, (7,))
    known = component.init(w)
    slots = {name: np.abs(rng.standard_normal(a.shape)) for name, a in known.items() if hasattr(a, "ndim")}

    def run(xp, w, g, **given):
        w, state = w * 1, {**known, **{name: a * 1 for name, a in given.items()}}
        component.update(w, g, state, 0.1, context(xp))
        return [w, *(state[name] for name in slots)]

    same(run, w=w, g=g, **slots)


def regularizer(component, shape, _):
    rng = np.random.default_rng(4)

    def run(xp, W):
        ctx, own = context(xp), W * 1
        penalty, dW = component(own, ctx)
        if hasattr(component, "after"):
            component.after(own, 0.1, ctx)
        return [penalty, dW + own]

    same(run, W=draws(rng, (5, 3)))


CHECKS = {"layer": layer, "activation": activation, "loss": loss, "optimizer": optimizer, "regularizer": regularizer}


@pytest.mark.parametrize(("kind", "name", "i"), CASES, ids=[f"{kind}/{name}-{i}" for kind, name, i in CASES])
def test_a_component_compiles_to_its_array_form(kind, name, i):
    component, shape = examples(registry.get(kind, name))[i]
    CHECKS[kind](component, shape, context)
