"""Checks of optimizers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from framework.core.arrays import Array
from framework.core.context import Context
from framework.core.stacking import keep_replicas, to_device
from framework.core.types import Tensor
from framework.testing.double import Double
from framework.testing.purity import on_device, untouched
from framework.testing.stacks import LAW_TOLERANCE, alone, context, equal, merged, stackable, varied
from framework.training.update import by_blocks, supports

P, UPDATES = 6, 5
TENSORS = {6: (Tensor("out", "W", 0, 4, (2, 2)), Tensor("out", "b", 4, 6, (1, 2)))}  # of w with so many columns


def _drawn(dtype: Any = np.float64, columns: int = P) -> tuple[Array, Array]:
    """w (3, columns) as a view of a wider array, as a network's arena gives it, and gradients (UPDATES, 3, columns)."""
    rng = np.random.default_rng(0)
    arena = rng.standard_normal((3, columns + 2)).astype(dtype)
    return arena[..., :columns], rng.standard_normal((UPDATES, 3, columns)).astype(dtype)


def _train(optimizer: Any, w: Array, gradients: Sequence[Array] | Array, ctx: Context, state: Any = None) -> dict[str, Any]:
    """Update w by each gradient in turn; returns the last state."""
    state, ctx = optimizer.init(w) if state is None else state, ctx.but(tensors=TENSORS.get(w.shape[-1], ()))
    for g in gradients:
        if hasattr(optimizer, "lookahead"):
            optimizer.lookahead(w, state, ctx)
        optimizer.update(w, g, state, ctx.per(optimizer.lr, w), ctx)
    return dict(state)


def check_in_place(optimizer: Any) -> None:
    """update changes w itself, returns nothing, and leaves the gradient and the learning rate unchanged."""
    w, gradients = _drawn()
    g, before, ctx = gradients[0].copy(), w.copy(), context((3,))
    lr = np.full((3, 1), 0.1)
    returned = optimizer.update(w, g, optimizer.init(w), lr, ctx)
    assert returned is None, "update works in place; it must return None"
    assert not np.array_equal(w, before), "w has not changed: update must change it in place (w -= ..., not w = w - ...)"
    assert np.array_equal(g, gradients[0]), "g was modified"
    assert np.array_equal(lr, np.full((3, 1), 0.1)), "the learning rate was modified"


def check_stack_law(optimizer: Any) -> None:
    """Slice r of a stacked training equals replica r alone; replicas differ in lr and every other stackable option. Also
    with as many parameters as replicas, where an array (R,) would fit the wrong axis."""
    _law(optimizer)
    _law(optimizer, columns=3)


def _law(optimizer: Any, only: str | None = None, columns: int = P) -> None:
    lone = [varied(optimizer, r, only) for r in range(3)]
    w, gradients = _drawn(columns=columns)
    together, whole, ctx = w.copy(), merged(lone, (3,)), context((3,))
    state = _train(whole, together, gradients, ctx)
    for r, member in enumerate(lone):
        single = w[r].copy()
        own = _train(member, single, gradients[:, r], alone(r))
        equal(together[r], single, f"w of replica {r}")
        if hasattr(member, "lookahead"):
            ahead, wanted = whole.lookahead(together, state, ctx)[r], member.lookahead(single, own, alone(r))
            equal(ahead, wanted, f"lookahead of replica {r}")


def check_neighbours(optimizer: Any) -> None:
    """A replica is not affected by another one with non-finite gradients or weights, or with lr = 1e30."""
    for what, spoiled in (("gradient", np.nan), ("gradient", np.inf), ("weights", np.nan), ("weights", 1e30), ("lr", 1e30)):
        lone = [varied(optimizer, r) for r in range(3)]
        if what == "lr":
            lone[1] = replace(lone[1], lr=spoiled)
        w, gradients = _drawn()
        together = w.copy()
        (gradients if what == "gradient" else together)[..., 1, :] *= spoiled if what != "lr" else 1
        with np.errstate(all="ignore"):
            _train(merged(lone, (3,)), together, gradients, context((3,)))
        for r in (0, 2):
            single = w[r].copy()
            _train(lone[r], single, gradients[:, r], alone(r))
            equal(together[r], single, f"w of replica {r}, next to one whose {what} is {spoiled:g},")


def check_options(optimizer: Any) -> None:
    """Replicas may differ in each option declared stackable."""
    for option in stackable(optimizer):
        try:
            _law(optimizer, option)
        except Exception as error:
            why = f"replicas differ in the stackable option '{option}': {str(error).strip()}"
            raise AssertionError(f"{why}; read it as ctx.per(self.{option}, w)") from error


def check_dtype(optimizer: Any) -> None:
    """float32 stays float32, in w and in the state."""
    w, gradients = _drawn(np.float32)
    state = _train(merged([varied(optimizer, r) for r in range(3)], (3,)), w, gradients, context((3,)))
    for name, a in state.items():
        assert isinstance(a, int) or a.dtype == np.float32, f"state '{name}' of float32 arrays is {a.dtype}"
    assert np.isfinite(w).all(), "w is not finite"


def check_state(optimizer: Any) -> None:
    """The state is a dict of arrays like w and integers; nothing else is saved on the object."""
    w, gradients = _drawn()
    ctx, expected = context((3,)), [w.copy(), w[::-1].copy()]
    ws = [w.copy(), w[::-1].copy()]
    with untouched(optimizer):
        for each in expected:
            _train(optimizer, each, gradients, ctx)
        states = [optimizer.init(each) for each in ws]
        before = [_kinds(state, w) for state in states]
        for g in gradients:
            for each, state in zip(ws, states, strict=True):
                _train(optimizer, each, [g], ctx, state)
    for each, wanted, state, kinds in zip(ws, expected, states, before, strict=True):
        equal(each, wanted, "something is saved on the object: with another training in between, w")
        assert _kinds(state, w) == kinds, f"the state changed from {kinds} to {_kinds(state, w)}"


def _kinds(state: Any, w: Array) -> dict[str, str]:
    assert isinstance(state, dict), f"the state is a {type(state).__name__}, not a dict"
    for name, value in state.items():
        is_slot = isinstance(value, np.ndarray) and value.shape == w.shape
        is_count = isinstance(value, int) and not isinstance(value, bool)
        assert is_slot or is_count, f"state '{name}' is neither an array like w {w.shape} nor an int"
    return {name: type(value).__name__ for name, value in state.items()}


def check_take(optimizer: Any) -> None:
    """A replica leaves the stack during training; the others continue unchanged."""
    lone = [varied(optimizer, r) for r in range(3)]
    w, gradients = _drawn()
    whole, kept = merged(lone, (3,)), np.array([True, False, True])
    together = w.copy()
    state = _train(whole, together, gradients[:2], context((3,)))
    fewer, ctx = together[kept], context((2,)).but(keys=(0, 2))
    _train(keep_replicas(whole, kept), fewer, gradients[2:, kept], ctx, keep_replicas(state, kept))
    for place, r in enumerate((0, 2)):
        single = w[r].copy()
        _train(lone[r], single, gradients[:, r], alone(r))
        equal(fewer[place], single, f"w of replica {r} after another has left")


def check_learning_rate(optimizer: Any) -> None:
    """A float as learning rate equals an array (..., 1) of that value."""
    w, gradients = _drawn()
    ctx, (a, b) = context((3,)), (w.copy(), w.copy())
    optimizer.update(a, gradients[0], optimizer.init(a), 0.1, ctx)
    optimizer.update(b, gradients[0], optimizer.init(b), np.full((3, 1), 0.1), ctx)
    equal(a, b, "w by an array of learning rates")


def check_lookahead(optimizer: Any) -> None:
    """lookahead returns an array like w and changes neither w nor the state."""
    w, gradients = _drawn()
    ctx = context((3,))
    state = _train(optimizer, w, gradients, ctx)
    before, slots = w.copy(), {name: np.array(value) for name, value in state.items()}
    ahead = optimizer.lookahead(w, state, ctx)
    assert ahead.shape == w.shape, f"lookahead returns {ahead.shape}, not an array like w {w.shape}"
    assert ahead.dtype == w.dtype, f"lookahead returns {ahead.dtype}, not an array like w"
    assert np.array_equal(w, before), "lookahead changed w"
    for name, value in slots.items():
        assert np.array_equal(state[name], value), f"lookahead changed the state '{name}'"


def check_descent(optimizer: Any) -> None:
    """300 steps, with lr 0.01 or the default lr, reduce w^2 / 2."""
    ends = []
    for one in (replace(optimizer, lr=0.01), optimizer):
        w, ctx = np.ones(1), context(())
        state = one.init(w)
        for _ in range(300):
            at = one.lookahead(w, state, ctx) if hasattr(one, "lookahead") else w
            one.update(w, at.copy(), state, one.lr, ctx)
        ends.append(float(w[0]))
    assert any(abs(end) < 0.9 for end in ends), f"w went from 1 to {' or '.join(f'{end:.3g}' for end in ends)}"


def check_device(optimizer: Any) -> None:
    """A device whose arrays reject host arrays gives the same values, without a transfer to the host."""
    whole = merged([varied(optimizer, r) for r in range(3)], (3,))
    w, gradients = _drawn()
    xp = Double()
    there = xp.asarray(w)
    with on_device():
        _train(to_device(whole, xp), there, [xp.asarray(g) for g in gradients], context((3,)).but(xp=xp))
    assert xp.to_host == 0, "arrays were copied from the device to the host"
    _train(whole, w, gradients, context((3,)))
    equal(there.get(), w, "w on a device")


def check_elementwise(optimizer: Any) -> None:
    """update on some of the columns at a time gives the same w and state, and counts a step once."""
    if not supports(optimizer, "elementwise"):
        return
    whole, ctx = merged([varied(optimizer, r) for r in range(3)], (3,)), context((3,))
    w, gradients = _drawn()
    pieces, state = w.copy(), optimizer.init(w)
    for g in gradients:
        by_blocks(whole, pieces, g, state, ctx.per(whole.lr, w), ctx, 4)
    _same((pieces, state), (w, _train(whole, w, gradients, ctx)), LAW_TOLERANCE, "by blocks")


def _same(found: tuple[Array, Any], wanted: tuple[Array, Any], tolerance: float, how: str) -> None:
    """Check for the same w and state, with the same non-finite elements."""
    pairs = {"w": (found[0], wanted[0]), **{f"state '{k}'": (found[1][k], wanted[1][k]) for k in wanted[1]}}
    for name, (a, b) in pairs.items():
        where = np.isfinite(b)
        assert np.array_equal(np.isfinite(a), where), f"{how}: {name} has other non-finite elements than with update"
        a, b = np.where(where, a, 0), np.where(where, b, 0)
        worst = float(np.max(np.abs(a - b) / np.maximum(1, np.abs(b)), initial=0))
        assert worst <= tolerance, f"{how}: {name} differs by {worst:.1e} from the result of update"


OPTIMIZER: Mapping[str, Callable[[Any], None]] = {
    "in_place": check_in_place,
    "stack_law": check_stack_law,
    "options": check_options,
    "neighbours": check_neighbours,
    "dtype": check_dtype,
    "state": check_state,
    "take": check_take,
    "learning_rate": check_learning_rate,
    "descent": check_descent,
    "device": check_device,
}
OPTIMIZER_OFFERED: Mapping[str, Callable[[Any], None]] = {
    "lookahead": check_lookahead,
    "elementwise": check_elementwise,
}
