"""Checks that apply to layers only."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from framework.core.arrays import Array
from framework.core.context import Context
from framework.core.types import Params, Shape
from framework.testing.batches import check_evaluation, check_over_batch, check_reverse, check_widths
from framework.testing.chance import check_linear, own_generators_refused
from framework.testing.members import offered
from framework.testing.purity import untouched
from framework.testing.stacks import LEADS, alone, context, equal, stacked
from framework.testing.subjects import STEPS, Differentiable, N, core_axes, tensors, weighed
from framework.testing.ties import check_ties

PADDING_TOLERANCE = 1e-12
LENGTHS = (STEPS, 1, 0, STEPS - 1, 2)  # of the sequences of a masked batch


def check_init(layer: Any, about: Differentiable) -> None:
    """Tensors are new host arrays drawn from the given generator only; the shape that init returns is the shape of the
    output; init for another shape changes nothing.

    Cannot see: whether the initial values are good ones.
    """
    first, second = (np.random.default_rng(0) for _ in range(2))
    with untouched(layer), own_generators_refused():
        (p, out_shape), (again, _) = (layer.init(rng, about.in_shape) for rng in (first, second))
    tensors_of_init(p, again)
    inputs = about.draw(layer, np.random.default_rng(0))
    y, _ = about.forward(layer, inputs, context(()))
    y = y.copy()
    core = core_axes(out_shape)
    if getattr(layer, "shortens", False):
        assert y.shape[0] < core[0], f"it shortens sequences, but the output {y.shape} has as many steps as the input"
        core = (y.shape[0], *core[1:])
    assert y.shape == core, f"init returns {out_shape}, so a batch has shape {core}, but the output is {y.shape}"
    if about.in_shape and not isinstance(about.in_shape[0], tuple) and about.in_shape[-1] is not None:
        with contextlib.suppress(ValueError):  # a shape that it refuses
            layer.init(np.random.default_rng(1), (*about.in_shape[:-1], about.in_shape[-1] + 1))
        equal(about.forward(layer, inputs, context(()))[0], y, "after init for another shape the output")


def tensors_of_init(p: Params, again: Params) -> None:
    """Tensors of two draws from equal generators: equal, but not the same memory."""
    for name, a in p.items():
        assert type(a) is np.ndarray, f"'{name}' is a {type(a).__name__}, not a host array"
        assert np.array_equal(a, again[name]), f"'{name}': two draws from equal generators differ"
        assert not np.shares_memory(a, again[name]), f"'{name}': two calls of init return the same array"
    for (name, a), (other, b) in itertools.combinations(p.items(), 2):
        assert not np.shares_memory(a, b), f"'{name}' and '{other}' share their memory"


def check_parameters(layer: Any, about: Differentiable) -> None:
    """Every tensor has two core axes, and every trained one a gradient.

    Cannot see: whether the gradients are right (see `gradient`).
    """
    inputs = about.draw(layer, np.random.default_rng(0))
    p = tensors(inputs)
    for name, a in p.items():
        assert a.ndim == 2, f"'{name}' has shape {a.shape}, not two core axes"
    got = tensors(about.run(layer, inputs, context(())).grads).keys()
    trained = p.keys() - set(getattr(layer, "buffers", ()))
    assert trained <= got, f"trained tensors without a gradient: {sorted(trained - got)}"
    assert got <= p.keys(), f"gradients without a tensor: {sorted(got - p.keys())}"


def check_need_dx(layer: Any, about: Differentiable) -> None:
    """Without need_dx there is no dx, and the other gradients are the same; dy does not change.

    Cannot see: whether work is saved.
    """
    for lead in ((), (3,)):
        part, _, _, inputs = stacked(layer, about, lead)
        ctx = context(lead)
        full = about.run(part, inputs, ctx).grads
        y, cache = about.forward(part, inputs, ctx)
        given = weighed(y, ctx)[1]
        dy = given.copy()
        spared = about.backward(part, inputs, cache, dy, ctx, need_dx=False)
        assert np.array_equal(dy, given), "without need_dx, dy was modified"
        assert not [name for name in spared if name.startswith("x")], "dx was returned although need_dx is False"
        missing = [name for name in full if name.startswith("p.") and name not in spared]
        assert not missing, f"without need_dx there is no gradient of {missing}"
        for name, grad in spared.items():
            equal(grad, full[name], f"gradient of '{name}' without dx")


def check_buffers(layer: Any, about: Differentiable) -> None:
    """Buffers are not trained: they get no gradient, and evaluation reads them.

    Cannot see: whether the buffers hold what they should.
    """
    inputs, ctx = about.draw(layer, np.random.default_rng(0)), context((), train=False)
    names = {f"p.{name}" for name in layer.buffers}
    assert names <= inputs.keys(), f"init returns no tensor {sorted(names - inputs.keys())}"
    for train in (True, False):
        trained = names & about.run(layer, inputs, context((), train)).grads.keys()
        assert not trained, f"a buffer has a gradient: {sorted(trained)}"
    moved = {name: inputs[name] * 1.1 + 0.1 for name in names}
    y, other = (about.forward(layer, given, ctx)[0] for given in (inputs, inputs | moved))
    assert not np.array_equal(y, other), "with ctx.train = False the output does not depend on the buffers"


def check_updates(layer: Any, about: Differentiable) -> None:
    """updates returns new arrays of the same shapes, equal for the same cache, separate for each replica.

    Cannot see: whether the new values are the right ones.
    """
    for lead in LEADS:
        part, lone, each, inputs = stacked(layer, about, lead)
        new = _updates(part, about, inputs, lead)
        for name, a in new.items():
            assert name in getattr(layer, "buffers", ()), f"updates returns '{name}', which is not a buffer"
            assert a.shape == inputs[f"p.{name}"].shape, f"'{name}' becomes {a.shape}, not {inputs[f'p.{name}'].shape}"
        for r, (member, one) in enumerate(zip(lone, each, strict=True)):
            for name, a in _updates(member, about, one, (), r).items():
                equal(new[name][np.unravel_index(r, lead)], a, f"new value of '{name}', replica {r}")
    single = {name: a.astype(np.float32) if a.dtype == np.float64 else a for name, a in inputs.items()}
    for name, a in _updates(part, about, single, lead).items():
        assert a.dtype == np.float32, f"the new value of '{name}' is {a.dtype} but the tensor is float32"


def _updates(layer: Any, about: Differentiable, inputs: Params, lead: tuple[int, ...], r: int | None = None) -> Params:
    ctx = context(lead) if r is None else alone(r)
    _, cache = about.forward(layer, inputs, ctx)
    before, p = {name: a.copy() for name, a in inputs.items()}, tensors(inputs)
    new: Params = {name: a.copy() for name, a in layer.updates(p, cache, ctx).items()}
    again = layer.updates(p, cache, ctx)
    for name, a in inputs.items():
        assert np.array_equal(a, before[name]), f"updates modified '{name}'; it must return new values"
    for name, a in new.items():
        assert np.array_equal(a, again[name]), f"two calls of updates give different values of '{name}'"
    return new


def check_project(layer: Any, about: Differentiable) -> None:
    """project works in place: a second call changes nothing, and each replica is projected separately.

    Cannot see: whether it is the projection that was meant.
    """
    for lead in LEADS:
        part, lone, each, inputs = stacked(layer, about, lead)
        p = _projected(part, inputs, lead)
        once = {name: a.copy() for name, a in p.items()}
        part.project(p, context(lead))
        for name, a in p.items():
            equal(a, once[name], f"'{name}' projected twice")
        for r, (member, one) in enumerate(zip(lone, each, strict=True)):
            for name, a in _projected(member, one, (), r).items():
                equal(once[name][np.unravel_index(r, lead)], a, f"projected '{name}', replica {r}")


def _projected(layer: Any, inputs: Params, lead: tuple[int, ...], r: int | None = None) -> Params:
    p = {name: 10 * a for name, a in tensors(inputs).items()}  # far outside any bound
    held = dict(p)
    assert layer.project(p, context(lead) if r is None else alone(r)) is None, "project works in place; it must return None"
    assert all(p.get(name) is a for name, a in held.items()), "project replaced the tensors by new arrays"
    return p


def check_carry(layer: Any, about: Differentiable) -> None:
    """A sequence in two chunks with carried state gives the outputs of the whole. Where the truncation length `ctx.lag`
    changes gradients, none of a step reaches further back, and those that do not are as without it.

    Cannot see: a layer that ignores `ctx.lag`.
    """
    if about.in_shape and isinstance(about.in_shape[0], tuple):
        return  # a layer with a given initial state carries none
    assert _is_sequence(about.in_shape), "the state of a layer is checked on a sequence: in_shape=(None, F)"
    part, lone, each, inputs = stacked(layer, about, (3,))
    ctx = context((3,), train=False)
    y, cache = about.forward(part, inputs, ctx)
    state = part.carry(cache)
    assert state.shape[:-1] == (3, N), f"the state {state.shape} is not (..., N, S)"
    for r, (member, one) in enumerate(zip(lone, each, strict=True)):
        equal(state[r], member.carry(about.forward(member, one, alone(r, False))[1]), f"state of replica {r}")
    _truncated(part, about, inputs, context((3,)))
    whole_sequence = y.ndim > 3 and y.shape[1] == STEPS
    for k in (1, STEPS - 1):
        first, second = ({n: _steps(a, n, s) for n, a in inputs.items()} for s in (slice(k), slice(k, None)))
        carried = ctx.but(carry={ctx.name: part.carry(about.forward(part, first, ctx)[1])})
        rest, _ = about.forward(part, second, carried)
        equal(rest, y[:, k:] if whole_sequence else y, f"outputs after a chunk of {k} steps")


def _truncated(part: Any, about: Differentiable, inputs: Params, ctx: Context) -> None:
    y, cache = about.forward(part, inputs, ctx)
    dy = weighed(y, ctx)[1].copy()
    if y.ndim > 3 and y.shape[1] == STEPS:
        dy[:, :-1] = 0
    if getattr(part, "reverse", False) or "x0" not in about.backward(part, inputs, cache, dy, ctx):
        return
    whole = about.backward(part, inputs, cache, dy, ctx)["x0"]
    for lag in (1, 2, STEPS, STEPS + 1):
        short = ctx.but(lag=lag)
        dx = about.backward(part, inputs, about.forward(part, inputs, short)[1], dy, short)["x0"]
        if not np.array_equal(dx, whole):
            equal(dx[:, -lag:], whole[:, -lag:], f"with a lag of {lag}, dx of the last {lag} steps")
            assert not dx[:, :-lag].any(), f"with a lag of {lag}, the gradient of the last step reaches further back"


def check_mask(layer: Any, about: Differentiable) -> None:
    """A padded batch under its mask equals the loop over single sequences, padded on either side, one of them empty; so do
    the carried states. Without noise, which would differ for a single sequence.

    Cannot see: masks with gaps.
    """
    part, _, _, inputs = stacked(layer, about, (3,))
    ctx = context((3,), train=False)
    for left in (False, True):
        shown = np.arange(STEPS)[:, None] >= STEPS - np.array(LENGTHS) if left else np.arange(STEPS)[:, None] < LENGTHS
        masked = ctx.but(batch={layer.mask: np.broadcast_to(shown * 1.0, (3, STEPS, N))})
        y, cache = about.forward(part, inputs, masked)
        by_step = y.ndim > 3 and y.shape[1] == STEPS
        dy = weighed(y, ctx)[1] * (shown[..., None] if by_step else 1.0)
        grads = about.backward(part, inputs, cache, dy, masked)
        sums = {name: np.zeros_like(g) for name, g in grads.items() if not name.startswith("x")}
        for n in range(N):
            steps = np.flatnonzero(shown[:, n])
            if not len(steps):
                equal(grads["x0"][:, :, n], np.zeros_like(grads["x0"][:, :, n]), "the gradient of an empty sequence")
                continue
            one = {name: _of_example(a, name, n, steps) for name, a in inputs.items()}
            alone_y, alone_cache = about.forward(part, one, ctx)
            own = y[:, steps, n] if by_step else y[:, n]
            equal(own, alone_y[..., 0, :], f"output of a sequence of {len(steps)} steps", PADDING_TOLERANCE)
            if "carry" in offered(part, about):
                own, state = part.carry(cache)[:, n], part.carry(alone_cache)[:, 0]
                equal(own, state, f"state after a sequence of {len(steps)} steps", PADDING_TOLERANCE)
            dy_one = dy[:, steps][:, :, n : n + 1] if by_step else dy[:, n : n + 1]
            single = about.backward(part, one, alone_cache, np.broadcast_to(dy_one, alone_y.shape), ctx)
            equal(grads["x0"][:, steps, n], single["x0"][:, :, 0], "dx of a padded sequence", PADDING_TOLERANCE)
            padding = np.delete(grads["x0"][:, :, n], steps, 1)
            assert not padding.any(), "steps where the mask is 0 have a gradient"
            sums = {name: total + single[name] for name, total in sums.items()}
        for name, total in sums.items():
            equal(grads[name], total, f"gradient of '{name}' under a mask", PADDING_TOLERANCE)


def _of_example(a: Array, name: str, n: int, steps: np.ndarray) -> Array:
    if not name.startswith("x"):
        return a
    return a[:, steps][:, :, n : n + 1] if name == "x0" else a[:, n : n + 1]


def _steps(a: Array, name: str, steps: slice) -> Array:
    return a[:, steps] if name.startswith("x") else a


def check_terms(layer: Any, about: Differentiable) -> None:
    """Gradients by time step (..., T, i, o) add up to the gradients, under a mask too; from the output of the first step
    that is read, only that step has one.

    Cannot see: how later outputs are divided among the steps.
    """
    part, _, _, inputs = stacked(layer, about, (3,))
    ctx = context((3,))
    shown = np.broadcast_to((np.arange(STEPS)[:, None] < LENGTHS) * 1.0, (3, STEPS, N))
    masked = [ctx.but(batch={part.mask: shown})] if "mask" in offered(part, about) else []
    for each in (ctx, *masked):
        y, cache = about.forward(part, inputs, each)
        dy = weighed(y, each)[1]
        grads = tensors(about.backward(part, inputs, cache, dy, each))
        for name, a in part.terms(tensors(inputs), cache, dy, each).items():
            assert a.shape[1] == STEPS, f"the terms of '{name}' are {a.shape}, not (..., T, i, o)"
            equal(a.sum(-3), grads[name], f"the sum over time of the terms of '{name}'")
    first = -1 if getattr(part, "reverse", False) else 0
    y, cache = about.forward(part, inputs, ctx)
    if y.ndim > 3 and y.shape[1] == STEPS:
        dy = np.zeros(y.shape)
        dy[:, first] = weighed(y, ctx)[1][:, first]
        for name, a in part.terms(tensors(inputs), cache, dy, ctx).items():
            later = np.delete(a, first, 1)
            assert not later.any(), f"'{name}' has a term at a step that comes after the only output with a gradient"


def check_centres(layer: Any, about: Differentiable) -> None:
    """A layer that declares `centres` gives the same outputs in training if a number is added to a feature.

    Cannot see: a layer that centres and does not say so.
    """
    part, _, _, inputs = stacked(layer, about, (3,))
    y, moved = (about.forward(part, inputs | {"x0": inputs["x0"] + c}, context((3,)))[0] for c in (0, 3))
    equal(moved, y, "centres is declared, but with 3 added to the inputs the output", 1e-8)


def _is_sequence(shape: Shape | None) -> bool:
    return bool(shape) and shape is not None and shape[0] is None


LAYER: Mapping[str, Callable[[Any, Differentiable], None]] = {
    "linear": check_linear,
    "init": check_init,
    "parameters": check_parameters,
    "need_dx": check_need_dx,
    "evaluation": check_evaluation,
    "over_batch": check_over_batch,
    "reverse": check_reverse,
    "widths": check_widths,
    "ties": check_ties,
}
# Optional members of a layer: checked if present.
OFFERED: Mapping[str, Callable[[Any, Differentiable], None]] = {
    "buffers": check_buffers,
    "updates": check_updates,
    "project": check_project,
    "carry": check_carry,
    "mask": check_mask,
    "terms": check_terms,
    "centres": check_centres,
}
