"""Checks of optimizers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from framework.core.arrays import Array
from framework.core.context import Context
from framework.core.stacking import keep_replicas, to_device
from framework.core.types import Tensor
from framework.testing.choices import check_choices
from framework.testing.double import Double
from framework.testing.purity import on_device, own_numbers, reported, seeded_rng, untouched
from framework.testing.stacks import LAW_TOLERANCE, LEADS, alone, context, equal, merged, stackable, varied
from framework.training.update import by_blocks, supports

P, UPDATES = 6, 5
TENSORS = {6: (Tensor("out", "W", 0, 4, (2, 2)), Tensor("out", "b", 4, 6, (1, 2)))}  # of w with so many columns


def _drawn(dtype: Any = np.float64, columns: int = P, replicas: int = 3) -> tuple[Array, Array]:
    """w (R, columns) as a view of a wider array, as a network's arena gives it, and gradients (UPDATES, R, columns)."""
    rng = seeded_rng(0)
    arena = rng.standard_normal((replicas, columns + 2)).astype(dtype)
    return arena[..., :columns], rng.standard_normal((UPDATES, replicas, columns)).astype(dtype)


def _train(optimizer: Any, w: Array, gradients: Sequence[Array] | Array, ctx: Context, state: Any = None) -> dict[str, Any]:
    """Update w by each gradient in turn; returns the last state."""
    state, ctx = optimizer.init(w) if state is None else state, ctx.but(tensors=TENSORS.get(w.shape[-1], ()))
    for g in gradients:
        if hasattr(optimizer, "lookahead"):
            optimizer.lookahead(w, state, ctx)
        optimizer.update(w, g, state, ctx.per(optimizer.lr, w), ctx)
    return dict(state)


def check_in_place(optimizer: Any) -> None:
    """update changes w itself, returns nothing, and leaves the gradient and the learning rate unchanged.

    Cannot see: other arrays that it can reach.
    """
    w, gradients = _drawn()
    g, before, ctx = gradients[0].copy(), w.copy(), context((3,))
    lr = np.full((3, 1), 0.1)
    returned = optimizer.update(w, g, optimizer.init(w), lr, ctx)
    assert returned is None, "update works in place; it must return None"
    assert not np.array_equal(w, before), "w has not changed: update must change it in place (w -= ..., not w = w - ...)"
    assert np.array_equal(g, gradients[0]), "g was modified"
    assert np.array_equal(lr, np.full((3, 1), 0.1)), "the learning rate was modified"


def check_stack_law(optimizer: Any) -> None:
    """Slice r of a stacked training equals replica r alone, in stacks (1,), (3,) and (2, 3) that differ in every option.

    With one parameter too, and with as many as replicas, where an array (R,) would fit the wrong axis.

    Cannot see: replicas that mix only in stacks of other sizes.
    """
    _law(optimizer)
    for lead, columns in (((3,), 3), ((1,), P), ((3,), 1), (LEADS[-1], P)):
        _law(optimizer, columns=columns, lead=lead)


def _law(optimizer: Any, only: str | None = None, columns: int = P, lead: tuple[int, ...] = (3,)) -> None:
    lone = [varied(optimizer, r, only) for r in range(prod(lead))]
    w, gradients = _drawn(columns=columns, replicas=len(lone))
    together, whole, ctx = w.reshape(*lead, columns), merged(lone, lead), context(lead)
    together = together.copy()
    state = _train(whole, together, gradients.reshape(-1, *lead, columns), ctx)
    ahead = whole.lookahead(together, state, ctx) if hasattr(whole, "lookahead") else None
    for r, member in enumerate(lone):
        single, place = w[r].copy(), np.unravel_index(r, lead)
        own = _train(member, single, gradients[:, r], alone(r))
        equal(together[place], single, f"w of replica {r} in a stack {lead} with {columns} parameters")
        if ahead is not None:
            equal(ahead[place], member.lookahead(single, own, alone(r)), f"lookahead of replica {r}")


def check_neighbours(optimizer: Any) -> None:
    """A replica is not affected by another one with non-finite gradients or weights, or with lr = 1e30.

    Cannot see: values that only nearly overflow.
    """
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
    """Replicas may differ in each option declared stackable.

    Cannot see: options that are not declared stackable.
    """
    for option in stackable(optimizer):
        try:
            _law(optimizer, option)
        except Exception as error:
            why = f"replicas differ in the stackable option '{option}': {str(error).strip()}"
            raise AssertionError(f"{why}; read it as ctx.per(self.{option}, w)") from error


def check_dtype(optimizer: Any) -> None:
    """float32 stays float32, in w and in the state.

    Cannot see: intermediate results in float64.
    """
    w, gradients = _drawn(np.float32)
    state = _train(merged([varied(optimizer, r) for r in range(3)], (3,)), w, gradients, context((3,)))
    for name, a in state.items():
        assert isinstance(a, int) or a.dtype == np.float32, f"state '{name}' of float32 arrays is {a.dtype}"
    assert np.isfinite(w).all(), "w is not finite"


def check_state(optimizer: Any) -> None:
    """The state is a dict of arrays like w and integers, the same names from the start; nothing is saved elsewhere.

    Cannot see: state that changes no weight.
    """
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
    """A replica leaves the stack during training; the others continue unchanged.

    Cannot see: a stack that grows, which no training has.
    """
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
    """The step follows the argument lr: a float equals an array (..., 1) and one of (..., P) with a rate for each column;
    each replica and each column has its own rate, 0 moves nothing.
    A later rate counts as the first one does, and a small step does not grow faster than its rate.

    Cannot see: the right power of lr below 1, as for noise of size sqrt(lr).
    """
    w, gradients = _drawn()

    def moved(*rates: Any) -> Array:
        """How far w moves in the last of some updates, each with its own rate."""
        at, ctx = w.copy(), context((3,))
        state, before = optimizer.init(at), at.copy()
        for g, lr in zip(gradients, rates, strict=False):
            before = at.copy()
            optimizer.update(at, g, state, lr, ctx)
        return at - before

    equal(moved(0.1), moved(np.full((3, 1), 0.1)), "w by an array of learning rates")
    each = moved(np.array([[0.1], [0.2], [0.3]]))
    for r, lr in enumerate((0.1, 0.2, 0.3)):
        equal(each[r], moved(lr)[r], f"w of replica {r}, whose learning rate is {lr}, in a stack with other rates,")
    _columns_of_rates(moved)
    assert not moved(0.0).any(), "at the learning rate 0, the end of a schedule, the first step moves w"
    assert not np.allclose(moved(0.1), moved(0.2), rtol=1e-3, atol=0), "two learning rates give the same step: lr is ignored"
    again = (moved(0.1, 0.1), moved(0.1, 0.2))
    assert not np.allclose(*again, rtol=1e-3, atol=0), "the rate of the second step is ignored: no schedule has an effect"
    once, twice = (float(np.abs(moved(lr)).max()) for lr in (1e-6, 2e-6))
    assert twice < 2.5 * once, f"twice the learning rate gives {twice / once:.3g} times the step"


def _columns_of_rates(moved: Callable[..., Array]) -> None:
    """Parameter groups give a rate for each column of w."""
    columns = np.full((3, P), 0.1)
    equal(moved(columns), moved(0.1), "w by an array of one learning rate per column, as parameter groups give it,")
    columns[..., 4:] = 0  # the second tensor
    still = not moved(columns)[..., 4:].any()
    assert still, "columns whose learning rate is 0 move: with parameter groups, lr has a number for each column (..., P)"


def check_lookahead(optimizer: Any) -> None:
    """lookahead returns an array like w and changes neither w nor the state.

    Cannot see: whether it is the point at which the method takes the gradient.
    """
    w, gradients = _drawn()
    ctx = context((3,))
    state = _train(optimizer, w, gradients, ctx)
    before, slots = w.copy(), {name: np.array(value) for name, value in state.items()}
    ahead = optimizer.lookahead(w, state, ctx)
    assert ahead.shape == w.shape, f"lookahead returns {ahead.shape}, not an array like w {w.shape}"
    narrow = w.astype(np.float32)
    dtype = optimizer.lookahead(narrow, optimizer.init(narrow), ctx).dtype
    assert dtype == np.float32, f"lookahead returns {dtype} for a w of float32"
    assert np.array_equal(w, before), "lookahead changed w"
    for name, value in slots.items():
        assert np.array_equal(state[name], value), f"lookahead changed the state '{name}'"


def check_memory(optimizer: Any) -> None:
    """The state has its own memory: not that of w, of g, or of another training.

    Cannot see: arrays that are kept outside the state.
    """
    w, gradients = _drawn()
    state, other, ctx = optimizer.init(w), optimizer.init(w.copy()), context((3,))
    for when in ("after init", "after an update", "after two updates"):
        for name, a in state.items():
            if isinstance(a, np.ndarray):
                assert not np.shares_memory(a, w), f"state '{name}' is w itself {when}; copy it (w * 1)"
                for g in gradients:
                    assert not np.shares_memory(a, g), f"state '{name}' is g itself {when}; the next step overwrites it"
                for b in other.values():
                    shared = isinstance(b, np.ndarray) and np.shares_memory(a, b)
                    assert not shared, f"state '{name}' is shared with another training {when}"
        optimizer.update(w, gradients[len(when) % UPDATES], state, 0.1, ctx)


def check_numbers(optimizer: Any) -> None:
    """Gradients of 0, 1e-6 and 1e6 and weights of 0 give finite steps, in float32 those of float64 up to rounding.

    Cannot see: numbers that lie further out, where float32 itself ends.
    """
    for scale in (0.0, 1e-6, 1.0, 1e6):
        for at in (0.0, 1.0):
            ends = []
            for dtype in (np.float64, np.float32):
                w, gradients = _drawn(dtype)
                gradients[..., 0] = 0  # a weight without a gradient beside others
                start = at * w
                end = start.copy()
                with np.errstate(all="ignore"):
                    _train(optimizer, end, dtype(scale) * gradients, context((3,)))
                what = f"gradients of about {scale:g} and weights {'as drawn' if at else 'of 0'}, {np.dtype(dtype)}"
                assert np.isfinite(end).all(), f"{what}: w is not finite"
                ends.append(end - start)
            largest = float(np.abs(ends[0]).max())
            off = float(np.abs(ends[0] - ends[1]).max())
            assert off <= 1e-3 * largest + 1e-5, (
                f"{what}: the steps differ by {off:.1e} from those of float64 ({largest:.1e})"
            )


def check_chance(optimizer: Any) -> None:
    """Random numbers come from ctx: nothing is drawn from the global state, and two seeds give two steps.

    Cannot see: generators that are made when the module is imported.
    """

    def run(seed: int) -> list[Array]:
        w, gradients = _drawn()
        _train(optimizer, w, gradients, context((3,), step=seed).but(keys=(seed, 7 + seed, 9 + seed)))
        return [w]

    with untouched(optimizer):
        own_numbers(run, "ctx.uniform or ctx.normal")


def check_descent(optimizer: Any) -> None:
    """300 steps, with lr 0.01 or the default lr, reduce w^2 / 2, and the next one still moves w.

    Cannot see: whether they are the steps of the paper.
    """
    ends = []
    for one in (replace(optimizer, lr=0.01), optimizer):
        w, ctx = np.array([1.0, -1.0]), context(())
        state = one.init(w)
        for _ in range(300):
            at = one.lookahead(w, state, ctx) if hasattr(one, "lookahead") else w
            one.update(w, at.copy(), state, one.lr, ctx)
        ends.append(float(np.abs(w).max()))
        before = w.copy()
        one.update(w, np.ones(2), state, one.lr, ctx)
        assert (w != before).all(), "after 300 steps a gradient of 1 does not move w"
    assert min(ends) < 0.9, f"|w| of 1 and -1 went to {' or '.join(f'{end:.3g}' for end in ends)}"


def check_device(optimizer: Any) -> None:
    """A device whose arrays reject host arrays gives the same values, without a transfer to the host.

    Cannot see: functions that NumPy has and CuPy lacks.
    """
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
    """update on some of the columns at a time gives the same w and state, and counts a step once.

    Cannot see: optimizers that treat each number separately and do not say so.
    """
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


SIMPLE: Mapping[str, Callable[[Any], None]] = {
    "in_place": check_in_place,
    "stack_law": check_stack_law,
    "dtype": check_dtype,
    "state": check_state,
    "learning_rate": check_learning_rate,
    "device": check_device,
}
OPTIMIZER = reported(
    {
        **SIMPLE,
        "options": check_options,
        "neighbours": check_neighbours,
        "take": check_take,
        "descent": check_descent,
        "memory": check_memory,
        "numbers": check_numbers,
        "chance": check_chance,
        "choices": check_choices(SIMPLE, {"dtype": check_dtype, "state": check_state}),
    }
)
OPTIMIZER_OFFERED = reported({"lookahead": check_lookahead, "elementwise": check_elementwise})
