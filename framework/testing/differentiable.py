"""Checks of components with a forward and a backward pass: layers, activations, losses, regularizers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

import numpy as np

from framework.core.arrays import Array
from framework.core.stacking import to_device
from framework.testing.batches import check_batches
from framework.testing.chance import check_chance, check_determinism, check_draws, check_fields
from framework.testing.differences import compare
from framework.testing.double import DeviceArray, Double
from framework.testing.members import everything, offered, passed, readers
from framework.testing.memory import check_memory, check_strides
from framework.testing.numbers import check_numbers, check_precision
from framework.testing.purity import on_device, untouched
from framework.testing.stacks import LARGEST, LEADS, alone, context, equal, spread, stackable, stacked
from framework.testing.subjects import Differentiable, Inputs, Result, weighed

MODES = (True, False)  # of ctx.train


def _in(train: bool) -> str:
    return "" if train else " with ctx.train = False"


def check_gradient(component: Any, about: Differentiable) -> None:
    """The gradient equals a central difference along random directions, for every replica, trained or not.

    Cannot see: a loss of digits, and what happens for other numbers (see `numbers`) and sizes (see `batches`).
    """
    for lead, train in (((), True), ((), False), ((1,), True), ((3,), True), ((3,), False), ((2, 3), True)):
        part, _, _, inputs = stacked(component, about, lead)
        compare(part, about, inputs, context(lead, train), f"{_in(train)}, replica axes {lead}")


def check_shapes(component: Any, about: Differentiable) -> None:
    """Outputs keep the replica axes; a gradient has the shape of its input.

    Cannot see: whether the numbers are right.
    """
    for lead in LEADS:
        part, _, _, inputs = stacked(component, about, lead)
        _same_shapes(about.run(part, inputs, context(lead)), inputs, lead)


def _same_shapes(result: Result, inputs: Inputs, lead: tuple[int, ...]) -> None:
    assert result.output.shape[: len(lead)] == lead, f"output {result.output.shape} lost the replica axes {lead}"
    assert result.value.shape == lead, f"value {result.value.shape}, not one per replica {lead}"
    for name, grad in result.grads.items():
        assert grad.shape == inputs[name].shape, f"gradient of '{name}' is {grad.shape}, not {inputs[name].shape}"


def check_one_example(component: Any, about: Differentiable) -> None:
    """A batch of one example works: right shapes, finite values.

    Cannot see: whether gradients are right there (see `batches`).
    """
    part, _, _, inputs = stacked(component, about, (3,))
    axes = {name: about.n_axis(name) for name in inputs}
    one = {name: a if axes[name] is None else a.take([0], 1 + int(axes[name] or 0)) for name, a in inputs.items()}
    for train in MODES:
        with np.errstate(all="ignore"):  # the result is checked
            result = about.run(part, one, context((3,), train))
        _same_shapes(result, one, (3,))
        for name, a in _arrays(result).items():
            assert np.isfinite(a).all(), f"{name} of a single example{_in(train)} is not finite"


def check_stack_law(component: Any, about: Differentiable) -> None:
    """Slice r of the stack equals replica r alone, trained or not, also with as many replicas as a core axis is long; so do
    `updates`, `carry`, `trace` and the other members that give arrays.

    Cannot see: replica axes of other lengths.
    """
    for lead, train in (((1,), True), ((3,), True), ((3,), False), ((2, 3), True)):
        law(component, about, lead, train, everything)
    lengths = {k for a in about.draw(component, np.random.default_rng(0)).values() for k in a.shape}
    for length in sorted(lengths - {1, 3}):
        if length < LARGEST:
            law(component, about, (length,), True)


def law(
    component: Any,
    about: Differentiable,
    lead: tuple[int, ...],
    train: bool,
    all_of: Callable[..., Inputs] = passed,
    only: str | None = None,
) -> None:
    """Slice r of a stack equals replica r alone; replicas differ in all options, or only in the one of that name."""
    part, lone, each, inputs = stacked(component, about, lead, only)
    together = all_of(part, about, inputs, context(lead, train))
    for r, (member, one) in enumerate(zip(lone, each, strict=True)):
        at = np.unravel_index(r, lead)
        for name, a in all_of(member, about, one, alone(r, train)).items():
            equal(together[name][at], a, f"{name}, replica {r} of {lead}{_in(train)}")


def check_neighbours(component: Any, about: Differentiable) -> None:
    """Replicas do not change if another replica has only non-finite values.

    Cannot see: an effect of other numbers, which `stack_law` sees.
    """
    for spoiled, train in product((np.nan, np.inf), MODES):
        part, _, _, inputs = stacked(component, about, (3,))
        ctx, bad = context((3,), train), {name: a.copy() for name, a in inputs.items()}
        for a in bad.values():
            if a.dtype.kind == "f":
                a[1] = spoiled
        before = everything(part, about, inputs, ctx)
        try:
            with np.errstate(all="ignore"):
                after = everything(part, about, bad, ctx)
        except np.linalg.LinAlgError:  # NumPy's; that of a device gives NaN for the one replica
            continue
        for name, a in before.items():
            for r in (0, 2):
                equal(after[name][r], a[r], f"{name}, replica {r} next to one full of {spoiled}{_in(train)},")


def check_options(component: Any, about: Differentiable) -> None:
    """Replicas may differ in each option declared stackable.

    Cannot see: options that are not declared stackable.
    """
    for option in stackable(component):
        try:
            for lead, train in (((3,), True), ((3,), False), ((2, 3), True)):
                law(component, about, lead, train, only=option)
        except Exception as error:
            why = f"replicas differ in the stackable option '{option}': {str(error).strip()}"
            raise AssertionError(f"{why}; read it as ctx.per(self.{option}, x)") from error


def check_shared(component: Any, about: Differentiable) -> None:
    """An input with a replica axis of length 1 equals that input repeated for every replica.

    Cannot see: gradients of the shared input itself.
    """
    lead = (3,)
    part, _, _, inputs = stacked(component, about, lead)
    for name in filter(about.shareable, inputs):
        one = inputs[name][:1]
        repeated = about.run(part, inputs | {name: np.repeat(one, 3, 0)}, context(lead))
        shared = about.run(part, inputs | {name: one}, context(lead))
        equal(spread(shared.output, repeated.output), repeated.output, f"output with a shared '{name}'")
        for other in shared.grads.keys() - {name}:
            full = repeated.grads[other]
            equal(spread(shared.grads[other], full), full, f"gradient of '{other}'")


def check_pure(component: Any, about: Differentiable) -> None:
    """Inputs and dy stay unchanged, trained or not, in float64 and float32; a cache can be used for a second backward pass.

    Cannot see: what a later pass changes (see `memory`).
    """
    part, _, _, inputs = stacked(component, about, (3,))
    single = {name: a.astype(np.float32) if a.dtype == np.float64 else a for name, a in inputs.items()}
    for given, train in product((inputs, single), MODES):
        _pure(part, about, given, train)


def _pure(part: Any, about: Differentiable, inputs: Inputs, train: bool) -> None:
    before, ctx = {name: a.copy() for name, a in inputs.items()}, context((3,), train)
    output, cache = about.forward(part, inputs, ctx)
    dy = weighed(output, ctx)[1].copy() if about.weighs else np.zeros(())
    given = dy.copy()
    first = {name: g.copy() for name, g in about.backward(part, inputs, cache, dy, ctx).items()}
    second = about.backward(part, inputs, cache, dy, ctx)
    for name, a in {**inputs, "dy": dy}.items():
        assert np.array_equal(a, {**before, "dy": given}[name]), f"'{name}' was modified{_in(train)}"
    for name, grad in first.items():
        same = np.array_equal(grad, second[name], equal_nan=True)
        assert same, f"the cache was modified: a second gradient of '{name}' differs{_in(train)}"
    for what, read in readers(part, about, inputs, dy, ctx).items():
        read(cache)
        for name, grad in about.backward(part, inputs, cache, dy, ctx).items():
            assert np.array_equal(grad, first[name], equal_nan=True), f"'{what}' modified the cache{_in(train)}"
    for what, member in offered(part, about).items():
        member(part, about, inputs, ctx)
        changed = [name for name, a in inputs.items() if not np.array_equal(a, before[name])]
        assert not changed, f"'{what}' modified {changed}{_in(train)}"


def check_dtype(component: Any, about: Differentiable) -> None:
    """float32 stays float32, and float64 stays float64; only a layer that reads nothing but ids chooses.

    Cannot see: whether the numbers are right (see `precision`).
    """
    part, _, _, inputs = stacked(component, about, (3,))
    ids = all(a.dtype.kind in "iu" for a in inputs.values())
    for dtype, train in product((np.float32, np.float64), MODES):
        given = {name: a.astype(dtype) if a.dtype == np.float64 else a for name, a in inputs.items()}
        for name, a in everything(part, about, given, context((3,), train)).items():
            allowed = a.dtype == dtype or (ids and a.dtype.kind in "iuf")
            assert allowed, f"{name} of {np.dtype(dtype)} inputs is {a.dtype}{_in(train)}"


def check_state(component: Any, about: Differentiable) -> None:
    """Nothing is saved on the object: two interleaved passes do not affect each other.

    Cannot see: state that only passes of another size share.
    """
    part, _, _, inputs = stacked(component, about, (3,))
    other = {name: a[::-1].copy() for name, a in inputs.items()}
    ctx = context((3,))
    with untouched(part):
        expected = [_arrays(about.run(part, given, ctx)) for given in (inputs, other)]
        passes = [(given, *about.forward(part, given, ctx)) for given in (inputs, other)]
        for (given, output, cache), wanted in zip(passes, expected, strict=True):
            dy = weighed(output, ctx)[1] if about.weighs else None
            for name, a in {"output": output, **about.backward(part, given, cache, dy, ctx)}.items():
                equal(a, wanted[name], f"something is saved on the object: with another pass in between, {name}")


def check_device(component: Any, about: Differentiable) -> None:
    """A device whose arrays reject host arrays gives the same values, without a transfer to the host; in a pass and in
    `updates`, `carry`, `after`, `predict`, `trace` and the other members that give arrays.

    Cannot see: what a real GPU rounds otherwise.
    """
    for lead, train in (((3,), True), ((3,), False), ((1,), True)):
        part, _, _, inputs = stacked(component, about, lead)
        xp, ctx = Double(), context(lead, train)
        moved = {name: xp.asarray(a) for name, a in inputs.items()}
        host = everything(part, about, inputs, ctx)
        with on_device():
            there = everything(to_device(part, xp), about, moved, ctx.but(xp=xp))
        assert xp.to_host == 0, "arrays were copied from the device to the host, or a branch waits for one"
        for name, a in there.items():
            assert isinstance(a, DeviceArray), f"{name} is a {type(a).__name__}, not an array of the device"
            equal(a.get(), host[name], f"{name} on a device")


def check_per_example(component: Any, about: Differentiable) -> None:
    """With `per_example`, a batch in two blocks gives the same outputs, and gradients that add up.

    Cannot see: blocks of other sizes.
    """
    part, _, _, inputs = stacked(component, about, (3,))
    ctx = context((3,))
    axes = {name: about.n_axis(name) for name in inputs}
    n = 1 + about.output_axis(component)  # the replica axis comes first
    y, cache = about.forward(part, inputs, ctx)
    dy = weighed(y, ctx)[1]
    whole = about.backward(part, inputs, cache, dy, ctx)
    blocks: list[Result] = []
    for rows in (slice(0, 1), slice(1, y.shape[n])):
        few = {name: a if axes[name] is None else _part(a, rows, 1 + int(axes[name] or 0)) for name, a in inputs.items()}
        output, own = about.forward(part, few, ctx)
        blocks.append(Result(output, output, about.backward(part, few, own, _part(dy, rows, n), ctx)))
    equal(np.concatenate([block.output for block in blocks], n), y, "per_example is set, but in two blocks the output")
    for name, grad in whole.items():
        parts = [block.grads[name] for block in blocks]
        together = sum(parts) if axes[name] is None else np.concatenate(parts, 1 + int(axes[name] or 0))
        equal(together, grad, f"per_example is set, but in two blocks the gradient of '{name}'")


def _part(a: Array, rows: slice, axis: int) -> Array:
    return a[(slice(None),) * axis + (rows,)]


def _arrays(result: Result) -> dict[str, Array]:
    return {"output": result.output, **result.grads}


GENERAL: Mapping[str, Callable[[Any, Differentiable], None]] = {
    "gradient": check_gradient,
    "shapes": check_shapes,
    "one_example": check_one_example,
    "stack_law": check_stack_law,
    "options": check_options,
    "neighbours": check_neighbours,
    "shared": check_shared,
    "pure": check_pure,
    "dtype": check_dtype,
    "precision": check_precision,
    "numbers": check_numbers,
    "batches": check_batches,
    "strides": check_strides,
    "memory": check_memory,
    "determinism": check_determinism,
    "chance": check_chance,
    "draws": check_draws,
    "fields": check_fields,
    "state": check_state,
    "device": check_device,
}
