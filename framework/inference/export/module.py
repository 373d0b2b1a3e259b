"""The array module that components see as `ctx.xp` while their network is recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from framework.inference.export.graph import Graph, GraphNode
from framework.inference.export.recorded import (
    INT,
    RecordedArray,
    Storage,
    broadcast,
    elementwise,
    graphs,
    lift,
    made,
    matmul,
    reduced,
    write,
)
from framework.inference.export.views import LoopIndex

NAMES = {"absolute": "abs", "negative": "neg", "logical_not": "not", "subtract": "sub", "multiply": "mul", "divide": "div"}
NAMES |= {"maximum": "max", "minimum": "min", "power": "pow", "less": "lt", "greater": "gt", "equal": "eq"}
NAMES |= {"logical_and": "and", "logical_or": "or", "add": "add"}
NAMES |= {fn: fn for fn in ("exp", "log", "log1p", "expm1", "tanh", "sqrt", "abs", "sign", "isnan", "isfinite")}
NAMES |= {fn: fn for fn in ("floor", "ceil", "sin", "cos", "where")}


class RecordingModule:
    """NumPy as far as ONNX has its functions; anything else raises an AttributeError with its name."""

    float32, float64, int64, int32, bool_ = np.float32, np.float64, np.int64, np.int32, np.bool_
    inf, nan, pi, newaxis = np.inf, np.nan, np.pi, None
    ndarray = RecordedArray

    def __getattr__(self, name: str) -> Any:
        if name not in NAMES:
            raise AttributeError(f"xp.{name} cannot be exported")
        return lambda *args, out=None: _into(out, elementwise(NAMES[name], *args))

    def square(self, x: Any, out: Any = None) -> RecordedArray:
        return _into(out, x * x)

    def clip(self, x: Any, low: Any, high: Any, out: Any = None) -> RecordedArray:
        return _into(out, elementwise("min", elementwise("max", x, low), high))

    def full(self, shape: Any, number: Any, dtype: Any = None) -> RecordedArray:
        sizes = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
        return broadcast(lift(number, dtype).copy(), sizes).copy()

    def zeros(self, shape: Any, dtype: Any = np.float64) -> RecordedArray:
        return self.full(shape, 0, dtype)

    def ones(self, shape: Any, dtype: Any = np.float64) -> RecordedArray:
        return self.full(shape, 1, dtype)

    empty = zeros

    def full_like(self, a: Any, number: Any, dtype: Any = None, shape: Any = None) -> RecordedArray:
        return self.full(a.shape if shape is None else shape, number, dtype or a.dtype)

    def zeros_like(self, a: Any, dtype: Any = None, shape: Any = None) -> RecordedArray:
        return self.full_like(a, 0, dtype, shape)

    def ones_like(self, a: Any, dtype: Any = None, shape: Any = None) -> RecordedArray:
        return self.full_like(a, 1, dtype, shape)

    empty_like = zeros_like

    def arange(self, *bounds: int, dtype: Any = None) -> RecordedArray:
        start, stop, step = (0, *bounds, 1) if len(bounds) == 1 else (*bounds, 1)[:3]
        found = made("Range", list(map(graphs[-1].index, (start, stop, step))), (len(range(start, stop, step)),), INT)
        return found if dtype is None else found.astype(dtype, copy=False)

    def asarray(self, a: Any, dtype: Any = None) -> RecordedArray:
        found = lift(a, dtype)
        return found if dtype is None else found.astype(dtype, copy=False)

    array = asarray

    def ascontiguousarray(self, a: Any) -> RecordedArray:
        return lift(a)

    def broadcast_to(self, a: Any, shape: Sequence[int]) -> RecordedArray:
        return broadcast(a, shape)

    def broadcast_arrays(self, *arrays: Any) -> list[RecordedArray]:
        shape = np.broadcast_shapes(*(a.shape for a in arrays))
        return [broadcast(a, shape) for a in arrays]

    def matmul(self, a: Any, b: Any) -> RecordedArray:
        return matmul(a, b)

    def sum(self, a: Any, axis: Any = None, keepdims: bool = False) -> RecordedArray:
        return lift(a).sum(axis, keepdims)

    def max(self, a: Any, axis: Any = None, keepdims: bool = False) -> RecordedArray:
        return reduced("ReduceMax", lift(a), axis, keepdims)

    def min(self, a: Any, axis: Any = None, keepdims: bool = False) -> RecordedArray:
        return reduced("ReduceMin", lift(a), axis, keepdims)

    def mean(self, a: Any, axis: Any = None, keepdims: bool = False) -> RecordedArray:
        return lift(a).mean(axis, keepdims)

    def stack(self, arrays: Sequence[Any], axis: int = 0) -> RecordedArray:
        axis %= arrays[0].ndim + 1
        return self.concatenate([a[(slice(None),) * axis + (None,)] for a in arrays], axis)

    def concatenate(self, arrays: Sequence[Any], axis: int = 0) -> RecordedArray:
        each = [lift(a) for a in arrays]
        axis %= each[0].ndim
        dtype = np.result_type(*(a.dtype for a in each))
        shape = list(each[0].shape)
        shape[axis] = sum(a.shape[axis] for a in each)
        return made("Concat", [a.astype(dtype, copy=False).name for a in each], shape, dtype, axis=axis)

    def split(self, a: Any, parts: int, axis: int = 0) -> list[RecordedArray]:
        axis %= a.ndim
        n = a.shape[axis] // parts
        return [a[(slice(None),) * axis + (slice(i * n, (i + 1) * n),)] for i in range(parts)]

    def scan(self, n: int, step: Callable[[Any, Any], Any], state: Any, reverse: bool = False) -> tuple[Any, RecordedSteps]:
        """See `framework.scan`: an operator `Loop`, whose body is recorded once."""
        states = (state,) if isinstance(state, RecordedArray) else tuple(state)
        graph = graphs[-1]
        body = Graph(graph)
        count, going = body.new_name(), body.new_name()
        body.inputs = [(count, INT, ()), (going, np.dtype(bool), ())]
        body.inputs += [(body.new_name(), s.dtype, s.shape) for s in states]
        graphs.append(body)
        try:
            before = [RecordedArray(Storage(name), (), shape, dtype) for name, dtype, shape in body.inputs[2:]]
            t = body.add("Sub", (body.index(n - 1), count)) if reverse else count
            after, kept = step(LoopIndex(t), before[0] if isinstance(state, RecordedArray) else tuple(before))
            after = (after,) if isinstance(after, RecordedArray) else tuple(after)
            body.outputs = [(body.add("Identity", (going,)), np.dtype(bool), ())]
            body.outputs += [(body.add("Identity", (a.name,)), a.dtype, a.shape) for a in after]
        finally:
            graphs.pop()
        names = [graph.new_name() for _ in states]
        inputs = [graph.index(n), graph.number(True, bool), *(s.name for s in states)]
        loop = GraphNode("Loop", inputs, names, {"body": body})
        graph.nodes.append(loop)
        final = [RecordedArray(Storage(name), (), s.shape, s.dtype) for name, s in zip(names, states, strict=True)]
        steps = RecordedSteps(loop, {}, n, kept, reverse)
        return (final[0] if isinstance(state, RecordedArray) else tuple(final)), steps


class RecordedSteps:
    """What the steps of a recorded loop keep; see `framework.core.scan.Steps`. Only what is read leaves the loop.

    Args:
        found: what has been read: its name in the body -> that of all steps.
    """

    def __init__(self, loop: GraphNode, found: dict[str, str], n: int, tree: Any, reverse: bool) -> None:
        self.loop, self.found, self.n, self.tree, self.reverse = loop, found, n, tree, reverse

    def __len__(self) -> int:
        return self.n

    def part(self, k: int) -> RecordedSteps:
        """The k-th part of what each step keeps."""
        return RecordedSteps(self.loop, self.found, self.n, self.tree[k], self.reverse)

    def stacked(self, choose: Callable[[Any], Any] = lambda kept: kept) -> Any:
        """An array of every step: (..., T, N, k)."""
        return choose(_mapped(self.tree, self._over_time))

    def __getitem__(self, t: int) -> Any:
        return _mapped(self.tree, lambda a: self._over_time(a)[..., t, :, :])

    def _over_time(self, a: RecordedArray) -> RecordedArray:
        graph, body = graphs[-1], self.loop.attributes["body"]
        graphs.append(body)
        try:
            name = a.name
        finally:
            graphs.pop()
        if name not in self.found:
            self.found[name] = graph.new_name()
            body.nodes.append(GraphNode("Identity", [name], [f"{name}_kept"]))  # it may be a state as well
            body.outputs.append((f"{name}_kept", a.dtype, a.shape))
            self.loop.outputs.append(self.found[name])
        found = RecordedArray(Storage(self.found[name]), (), (self.n, *a.shape), a.dtype)
        axes = list(range(1, found.ndim))
        axes.insert(max(0, found.ndim - 3), 0)
        return (found[::-1] if self.reverse else found).transpose(*axes)


def _mapped(tree: Any, fn: Callable[[RecordedArray], RecordedArray]) -> Any:
    if isinstance(tree, RecordedArray):
        return fn(tree)
    if isinstance(tree, tuple | list):
        parts = [_mapped(value, fn) for value in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    return {key: _mapped(value, fn) for key, value in tree.items()} if isinstance(tree, dict) else tree


def _into(out: Any, result: RecordedArray) -> RecordedArray:
    return result if out is None else write(out, result)
