"""Checks that a component gives the same numbers in the compiled tier as in the array tier."""

from __future__ import annotations

import functools
import unittest
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from framework.core.context import Context
from framework.core.random import generator
from framework.core.types import Tensor
from framework.testing.members import IN_PLACE, Member, updates
from framework.testing.stacks import context, merged, stacked, varied
from framework.testing.subjects import Differentiable, Inputs
from framework.training.compiled.build import FLAGS, NoCompilerError
from framework.training.compiled.function import CompiledFunction, together
from framework.training.compiled.graph import Scalar
from framework.training.compiled.module import ArrayModule
from framework.training.compiled.passes import refusal
from framework.training.compiled.traced import Draw, Options, TracedContext

QUICK = ("-O0", *FLAGS[1:])  # the same arithmetic, compiled in a fraction of the time
TOLERANCE = {"float32": 2e-4, "float64": 1e-9}
LEAD = (3,)
Run = Callable[[Any, Inputs, Context], Mapping[str, Any]]


class Case(NamedTuple):
    """A part of a component's work, in one mode: its function, and what the array tier gives."""

    what: str
    function: CompiledFunction
    expected: Inputs


def check_tiers(component: Any, about: Differentiable) -> None:
    """Each replica of a stack alone, compiled, gives the numbers of the array tier: outputs, gradients, and what is done in
    place; trained or not, in float32 and float64.

    Cannot see: what other compilers and optimisations round otherwise.

    Raises:
        SkipTest: the component cannot be traced, and the message says why; or there is no C compiler.
    """

    def passes(part: Any, inputs: Inputs, ctx: Context) -> Mapping[str, Any]:
        found = about.run(part, inputs, ctx)
        return {"output": found.output, "value": found.value, **{f"d{name}": g for name, g in found.grads.items()}}

    runs: dict[str, Run] = {"": passes}
    for name, member in {"updates": updates, **IN_PLACE}.items():
        if hasattr(component, name):
            runs[f"{name}: "] = functools.partial(_member, member, about)
    part, _, _, inputs = stacked(component, about, LEAD)
    compare(part, inputs, runs)


def check_optimizer_tiers(optimizer: Any) -> None:
    """Each replica of a stack alone, compiled, is updated as in the array tier, in float32 and float64.

    Cannot see: numbers at the ends of their range.

    Raises:
        SkipTest: the optimizer cannot be traced, and the message says why; or there is no C compiler.
    """
    rng = np.random.default_rng(0)
    members = [varied(optimizer, r) for r in range(*LEAD)]
    part, w = merged(members, LEAD), rng.standard_normal((*LEAD, 7))
    known = part.init(w)
    slots = {name: np.abs(rng.standard_normal(w.shape)) for name, a in known.items() if hasattr(a, "ndim")}
    counts = {name: 3 for name, a in known.items() if not hasattr(a, "ndim")}

    def update(own: Any, given: Inputs, ctx: Context) -> Mapping[str, Any]:
        ctx = ctx.but(tensors=(Tensor("out", "W", 0, 6, (2, 3)), Tensor("out", "b", 6, 7, (1, 1))))
        w, state = given["w"] * 1, {**counts, **{name: given[name] * 1 for name in slots}}
        ahead = {"ahead": own.lookahead(w, state, ctx)} if hasattr(own, "lookahead") else {}
        own.update(w, given["g"], state, ctx.per(own.lr, w), ctx)
        return {"w, updated": w, **ahead, **{f"{name}, updated": state[name] for name in slots}}

    compare(part, {"w": w, "g": rng.standard_normal(w.shape), **slots}, {"": update})


def compare(part: Any, inputs: Inputs, runs: Mapping[str, Run]) -> None:
    """Run a stack in both tiers, in every mode and dtype.

    Raises:
        SkipTest: it cannot be traced, or there is no compiler.
    """
    options, cases = Options(), []
    own = options.taken_from(part)
    for what, run in runs.items():
        for train in (True, False):
            for dtype in TOLERANCE:
                given = {name: a.astype(dtype) if a.dtype.kind == "f" else a for name, a in inputs.items()}
                ctx = context(LEAD, train)
                with np.errstate(all="ignore"):
                    expected = run(part, {name: a.copy() for name, a in given.items()}, ctx)
                mode = f"{what}{'' if train else 'with ctx.train = False, '}{dtype}: "
                cases.append((given, Case(mode, _traced(run, own, given, train), dict(expected))))
    try:
        together([case.function for _, case in cases], QUICK)
    except NoCompilerError as error:
        raise unittest.SkipTest(str(error)) from error
    for given, case in cases:
        _same(case, given, options.table(*LEAD))


def _traced(run: Run, own: Any, given: Inputs, train: bool) -> CompiledFunction:
    draws: list[Draw] = []

    def trace(arrays: Mapping[str, Any]) -> Mapping[str, Any]:
        key: Any = Scalar("the key of the replica")
        ctx = TracedContext(ArrayModule(), (1,), (key,), train=train, step=Scalar("number"), name="node")  # type: ignore[arg-type]
        ctx.__dict__["draws"] = draws
        return run(own, dict(arrays), ctx)

    try:
        with np.errstate(all="ignore"):
            return CompiledFunction(trace, {name: ((1, *a.shape[1:]), a.dtype) for name, a in given.items()}, draws)
    except NoCompilerError as error:
        raise unittest.SkipTest(str(error)) from error
    except Exception as error:  # code that knows arrays of NumPy only may fail in any way
        raise unittest.SkipTest(f"it runs in the array tier only, since it cannot be traced: {refusal(error)}") from error


def _same(case: Case, given: Inputs, table: np.ndarray) -> None:
    """Every replica alone gives what the stack gives."""
    step = context(LEAD).step
    for r in range(*LEAD):
        draws = [each.sample(generator(r, each.name, step, each.which), each.shape) for each in case.function.draws]
        found = case.function({name: a[r : r + 1].copy() for name, a in given.items()}, table[r], draws, step)
        for name, a in case.expected.items():
            wanted = a[r : r + 1] if a.shape[:1] == LEAD else a
            got = found[name]
            assert got.shape == wanted.shape, f"{case.what}{name}: {got.shape} compiled, {wanted.shape} as arrays"
            assert got.dtype == wanted.dtype, f"{case.what}{name}: {got.dtype} compiled, {wanted.dtype} as arrays"
            _close(got, wanted, f"{case.what}{name} of replica {r}")


def _close(got: np.ndarray, wanted: np.ndarray, what: str) -> None:
    tolerance = TOLERANCE.get(str(wanted.dtype), 0.0)
    worst = float(np.max(np.abs(got - wanted) / (1 + np.abs(wanted)), initial=0))
    assert worst <= tolerance, f"{what}: the compiled tier differs from the array tier by {worst:.1e}"


def _member(member: Member, about: Differentiable, part: Any, inputs: Inputs, ctx: Context) -> Mapping[str, Any]:
    return member(part, about, inputs, ctx)


TIERS: Mapping[str, Callable[[Any, Differentiable], None]] = {"tiers": check_tiers}
OPTIMIZER_TIERS: Mapping[str, Callable[[Any], None]] = {"tiers": check_optimizer_tiers}
