"""Checks that apply to cells only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from framework.registry.discovery import discover
from framework.testing.batches import check_evaluation
from framework.testing.chance import check_linear, own_generators_refused
from framework.testing.differentiable import check_gradient, law
from framework.testing.layers import check_carry, check_mask, check_terms, tensors_of_init
from framework.testing.purity import untouched
from framework.testing.stacks import alone, context, equal, stacked
from framework.testing.subjects import STEPS, Differentiable, N, of_layer, tensors


def check_init(cell: Any, about: Differentiable) -> None:
    """Tensors are new host arrays of two axes, drawn from the given generator only; `b` has a number for each gate.

    Cannot see: whether the initial values are good ones.
    """
    first, second = (np.random.default_rng(0) for _ in range(2))
    with untouched(cell), own_generators_refused():
        p, again = cell.init(first), cell.init(second)
    tensors_of_init(p, again)
    for name, a in p.items():
        assert a.ndim == 2, f"'{name}' has shape {a.shape}, not two core axes"
    width = cell.gates * cell.units
    assert "b" not in p or p["b"].shape == (1, width), f"b is {p['b'].shape}, not (1, gates units) = (1, {width})"


def check_sizes(cell: Any, about: Differentiable) -> None:
    """A step returns a state of the declared size, and an output of `units` values. The parts of a state divide it, what
    `trace` shows is (..., N, k), and `inputs` gives zeros and ones.

    Cannot see: whether the parts are named in the right order.
    """
    inputs = about.draw(cell, np.random.default_rng(0))
    s, cache = about.forward(cell, inputs, alone(0))
    assert s.shape == (N, cell.state), f"state is {cell.state}, but a step returns {s.shape[-1]} values"
    y = cell.out(s)
    assert y.shape == (N, cell.units), f"units is {cell.units}, but out returns {y.shape}"
    parts = getattr(cell, "parts", ("h",))
    assert cell.state % len(parts) == 0, f"the state has {cell.state} values, which {len(parts)} parts do not divide"
    assert len(set(parts)) == len(parts), f"two parts have one name: {parts}"
    if hasattr(cell, "inputs"):
        K = cell.inputs(3)
        assert K.shape == (3, cell.gates * cell.units), f"inputs(3) is {K.shape}, not (3, gates units)"
        assert ((K == 0) | (K == 1)).all(), "inputs(3) has other numbers than 0 and 1"
    for name, a in cell.trace(cache).items() if hasattr(cell, "trace") else ():
        assert a.shape[:-1] == (N,), f"trace: '{name}' is {a.shape}, not (..., N, k)"


def check_outputs(cell: Any, about: Differentiable) -> None:
    """`dout` is the gradient of `out`, also with a T axis.

    Cannot see: an `out` that is not linear.
    """
    part, _, _, inputs = stacked(cell, about, (3,))
    ctx, rng = context((3,)), np.random.default_rng(1)
    s = about.forward(part, inputs, ctx)[0]
    direction, dy = rng.standard_normal(s.shape), rng.standard_normal((3, STEPS, N, cell.units))
    change = cell.out(s + direction) - cell.out(s)  # out is linear
    equal((cell.dout(dy[:, 0], ctx) * direction).sum((-2, -1)), (change * dy[:, 0]).sum((-2, -1)), "dout")
    for t in range(STEPS):
        equal(cell.dout(dy, ctx)[:, t], cell.dout(dy[:, t], ctx), "dout with a T axis")


def check_time(cell: Any, about: Differentiable) -> None:
    """`grads` keeps a T axis; and with T N rows instead of N it sums over time.

    Cannot see: whether the gradients are right (see `gradient`).
    """
    part, _, _, inputs = stacked(cell, about, (3,))
    ctx, rng, p, s = context((3,)), np.random.default_rng(1), tensors(inputs), inputs["s"]
    caches, das = [], []
    for t in range(STEPS):
        s, cache = part.step(p, inputs["a"], s, ctx.but(time=t))
        caches.append(cache)
        das.append(part.back(p, cache, rng.standard_normal(s.shape), ctx.but(time=t))[0])
    each = [part.grads(p, cache, da, ctx) for cache, da in zip(caches, das, strict=True)]
    da = np.stack(das, -3)
    by_time, rows = part.grads(p, Arrays(caches, False), da, ctx), part.grads(p, Arrays(caches, True), _flat(da), ctx)
    for name in each[0]:
        equal(by_time[name], np.stack([g[name] for g in each], -3), f"gradients of '{name}' by time")
        equal(rows[name], sum(g[name] for g in each), f"the sum over time of the gradient of '{name}'")


class Arrays:
    """The arrays of several caches by index, stacked; flat: T N rows."""

    def __init__(self, caches: list[Any], flat: bool) -> None:
        self.caches, self.flat = caches, flat

    def __getitem__(self, k: int) -> Any:
        a = np.stack([cache[k] for cache in self.caches], -3)
        return _flat(a) if self.flat else a


def _flat(a: Any) -> Any:
    return a.reshape(*a.shape[:-3], -1, a.shape[-1])


def check_sequences(cell: Any, about: Differentiable) -> None:
    """The cell in a recurrent layer, in both directions: gradients through time, the stack law, gradients by time step.

    Cannot see: sequences of other lengths.
    """
    for layer in _layers(cell):
        subject = of_layer(SEQUENCE)
        if "gradient" not in about.excused:
            check_gradient(layer, subject)
        for train in (True, False):
            law(layer, subject, (3,), train)
        check_terms(layer, subject)


def check_padding(cell: Any, about: Differentiable) -> None:
    """In a recurrent layer, in both directions, a padded batch equals the loop over single sequences.

    Cannot see: masks with gaps.
    """
    for layer in _layers(cell):
        check_mask(layer, of_layer(SEQUENCE))


def check_chunks(cell: Any, about: Differentiable) -> None:
    """In a recurrent layer, a sequence in two chunks with carried state gives the outputs of the whole.

    Cannot see: gradients across chunks, which are cut.
    """
    check_carry(next(_layers(cell)), of_layer(SEQUENCE))


def _layers(cell: Any) -> Iterator[Any]:
    """Recurrent layers of the cell: forwards, then backwards in time."""
    recurrent = discover().get("layer", "recurrent")
    return (recurrent(cell, reverse=reverse) for reverse in (False, True))


def check_project(cell: Any, about: Differentiable) -> None:
    """project works in place, on each replica separately; a second call changes nothing.

    Cannot see: whether it is the projection that was meant.
    """
    part, lone, each, inputs = stacked(cell, about, (3,))
    together = {name: 3 * a for name, a in tensors(inputs).items()}
    part.project(together, context((3,)))
    again = {name: a.copy() for name, a in together.items()}
    part.project(again, context((3,)))
    for r, (member, one) in enumerate(zip(lone, each, strict=True)):
        single = {name: 3 * a for name, a in tensors(one).items()}
        member.project(single, alone(r))
        for name, a in single.items():
            equal(together[name][r], a, f"'{name}' of replica {r} after project")
            equal(again[name][r], a, f"'{name}' after a second project")


SEQUENCE = (None, 3)
CELL: Mapping[str, Callable[[Any, Differentiable], None]] = {
    "init": check_init,
    "linear": check_linear,
    "sizes": check_sizes,
    "outputs": check_outputs,
    "time": check_time,
    "evaluation": check_evaluation,
    "sequences": check_sequences,
    "padding": check_padding,
    "chunks": check_chunks,
}
CELL_OFFERED: Mapping[str, Callable[[Any, Differentiable], None]] = {"project": check_project}
