"""A loop over time in the graph: its step is traced once, with a symbolic number of the step, and becomes a loop in C."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from framework.training.compiled.array import LoopIndex, Storage, TracedArray, contiguous, inside, new
from framework.training.compiled.graph import Read, UntraceableError, Value, row_major, whole


class Loop:
    """
    Args:
        name: the name of its index in C.
        n: how many steps.
        reverse: whether it begins with the last step.

    Attributes:
        carries: the values that hold the state before a step, and for each the value after it.
        outputs: what every step gives: the state after it, then what it keeps.
        states: the values after the last step.
        schedule: of one step, once there is one.
    """

    def __init__(self, name: str, n: int, reverse: bool) -> None:
        self.name, self.n, self.reverse = name, n, reverse
        self.carries: list[Value] = []
        self.outputs: list[Value] = []
        self.states: list[Value] = []
        self.schedule: Any = None
        self.first = Value("fill", (), np.dtype(bool)).id  # values before it are the same in all steps
        self._own: dict[int, bool] = {}

    def output_name(self, part: int) -> str:
        """What C calls an output; a state is overwritten by the state after it."""
        return f"{self.name}_{'c' if part < len(self.carries) else 'y'}{part}"

    def is_own(self, value: Value) -> bool:
        """Whether a value differs from step to step. What does not is computed once, before the loop."""
        stack = [value]
        while stack:
            last = stack[-1]
            own = any(last is carry for carry in self.carries)
            own = own or any(name == self.name for read in last.reads for name, _ in read.steps)
            before = [read.value for read in last.reads if read.value.id > self.first]
            unknown = [] if own else [v for v in before if v.id not in self._own]
            if unknown:
                stack += unknown
                continue
            self._own[last.id] = own or any(self._own[v.id] for v in before)
            stack.pop()
        return self._own[value.id]

    def is_given(self, value: Value) -> bool:
        """Whether a step finds a value in memory. A constant array of one number is made where it is used."""
        return value.op in ("input", "constant") or (value.op != "fill" and not self.is_own(value))

    def outside(self, values: Iterable[Value]) -> list[Read]:
        """What the steps read of what was computed before the loop, with the steps of loops around it."""
        found: dict[int, tuple[Value, dict[str, int]]] = {}
        seen: set[int] = set()
        stack: list[tuple[Value, tuple[tuple[str, int], ...]]] = [(value, ()) for value in values]
        while stack:
            value, steps = stack.pop()
            if self.is_given(value):
                if all(value is not carry for carry in self.carries):
                    found.setdefault(value.id, (value, {}))[1].update(dict(steps))
            elif value.id not in seen:
                seen.add(value.id)
                stack += [(read.value, tuple(s for s in read.steps if s[0] != self.name)) for read in value.reads]
        each = [found[i] for i in sorted(found)]
        return [Read(value, value.shape, row_major(value.shape), 0, tuple(steps.items())) for value, steps in each]


def scan(
    name: str, n: int, step: Callable[[Any, Any], tuple[Any, Any]], state: Any, reverse: bool = False
) -> tuple[Any, TracedSteps]:
    """The loop of `framework.scan`, traced.

    Args:
        name: of its index in C; no other loop has it.

    Raises:
        UntraceableError: the state changes its shape or type, or the step writes to an array from outside.
    """
    states = (state,) if isinstance(state, TracedArray) else tuple(state)
    loop = Loop(name, n, reverse)
    inside.append(loop)
    try:
        before = [new("input", s.shape, s.dtype, name=loop.output_name(0)) for s in states]
        loop.carries = [s.storage.value for s in before]
        for part, value in enumerate(loop.carries):
            value.detail["name"] = loop.output_name(part)
        after, kept = step(LoopIndex(loop.name, n), before[0] if isinstance(state, TracedArray) else tuple(before))
        after = (after,) if isinstance(after, TracedArray) else tuple(after)
        shapes, found = ([(a.shape, str(a.dtype)) for a in arrays] for arrays in (states, after))
        if found != shapes:
            raise UntraceableError(f"the state of a loop changes from {shapes} to {found}")
        ends = [_computed(a) for a in after]
        tree = _mapped(kept, lambda a: _leaf(loop, a))
    finally:
        inside.pop()
    leaves = [leaf for leaf in _leaves(tree) if leaf.value is not None]
    loop.outputs = [*ends, *(leaf.value for leaf in leaves if leaf.value is not None)]
    results: list[Value] = []
    for part, s in enumerate(states):
        args = (s.read(), *(other.read() for other in states if other is not s), *loop.outside(ends))
        results.append(Value("loop", s.shape, s.dtype, args, {"loop": loop, "part": part}))
    loop.states = list(results)
    for part, leaf in enumerate(leaves, len(states)):
        value = loop.outputs[part]
        args = (*(whole(r) for r in loop.states), *loop.outside([value]))
        results.append(Value("loop", (n, *leaf.array.shape), value.dtype, args, {"loop": loop, "part": part}))
        leaf.result = results[-1]
    final = [TracedArray(Storage(r), r.shape, row_major(r.shape)) for r in results[: len(states)]]
    return (final[0] if isinstance(state, TracedArray) else tuple(final)), TracedSteps(n, tree)


class Leaf:
    """One array of what the steps keep.

    Attributes:
        value: what a step computes; None for an array that is the same in every step.
        result: of all steps, (T, ...).
    """

    def __init__(self, array: TracedArray, value: Value | None) -> None:
        self.array, self.value, self.result = array, value, array.storage.value

    def at(self, t: Any) -> TracedArray:
        """The array of one step."""
        return self.array if self.value is None else self._all()[t]

    def over_time(self) -> TracedArray:
        """The arrays of all steps, (..., T, N, k)."""
        every, ndim = self._all(), self._all().ndim
        axes = list(range(1, ndim))
        axes.insert(max(0, ndim - 3), 0)
        return every.transpose(*axes)

    def _all(self) -> TracedArray:
        return TracedArray(Storage(self.result), self.result.shape, row_major(self.result.shape))


class TracedSteps:
    """What the steps of a traced loop keep; see `framework.core.scan.Steps`."""

    def __init__(self, n: int, tree: Any) -> None:
        self.n, self.tree = n, tree

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, t: Any) -> Any:
        return _mapped(self.tree, lambda leaf: leaf.at(t))

    def part(self, k: int) -> TracedSteps:
        """The k-th part of what each step keeps."""
        return TracedSteps(self.n, self.tree[k])

    def stacked(self, choose: Callable[[Any], Any] = lambda kept: kept) -> Any:
        """An array of every step: (..., T, N, k)."""
        return choose(_mapped(self.tree, lambda leaf: self._over_time(leaf)))

    def _over_time(self, leaf: Leaf) -> TracedArray:
        if leaf.value is not None:
            return leaf.over_time()
        a = leaf.array
        at = max(0, a.ndim - 2)
        return a.view((*a.shape[:at], self.n, *a.shape[at:]), (*a.strides[:at], 0, *a.strides[at:]))


def _leaf(loop: Loop, a: TracedArray) -> Leaf:
    read = a.read()
    varies = loop.is_own(read.value) or any(name == loop.name for name, _ in read.steps)
    return Leaf(a, _computed(a) if varies else None)


def _computed(a: TracedArray) -> Value:
    """The array as a value of its own, not a state that is about to change."""
    return contiguous(a, copy=a.storage.value.op == "input").storage.value


def _mapped(tree: Any, fn: Callable[[Any], Any]) -> Any:
    if isinstance(tree, TracedArray | Leaf):
        return fn(tree)
    if isinstance(tree, dict):
        return {key: _mapped(value, fn) for key, value in tree.items()}
    if isinstance(tree, tuple | list):
        parts = [_mapped(value, fn) for value in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    return tree


def _leaves(tree: Any) -> Iterator[Leaf]:
    if isinstance(tree, Leaf):
        yield tree
    for value in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, tuple | list) else ():
        yield from _leaves(value)
