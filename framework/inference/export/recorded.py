"""The arrays that a network computes with while it is recorded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from framework.inference.export.graph import Graph
from framework.inference.export.views import FIRST, Indexed, LoopIndex, Permuted, Reshaped

BOOL, INT = np.dtype(bool), np.dtype(np.int64)
COMPARED = {"lt": "Less", "le": "LessOrEqual", "gt": "Greater", "ge": "GreaterOrEqual", "eq": "Equal"}
BINARY = {"add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "pow": "Pow", "max": "Max", "min": "Min"} | COMPARED
UNARY = {"exp": "Exp", "log": "Log", "tanh": "Tanh", "sqrt": "Sqrt", "abs": "Abs", "sign": "Sign", "neg": "Neg"}
UNARY |= {"floor": "Floor", "ceil": "Ceil", "sin": "Sin", "cos": "Cos", "isnan": "IsNaN", "not": "Not"}
REAL = ("exp", "log", "log1p", "expm1", "tanh", "sqrt", "div", "floor", "ceil", "sin", "cos")

graphs: list[Graph] = []  # those that record now, the innermost last


class Storage:
    """What a family of views looks at; a write gives it another value."""

    def __init__(self, name: str) -> None:
        self.name, self.graph = name, graphs[-1]


class RecordedArray:
    """An array of the recorded network, or a view of one.

    Args:
        storage: what it looks at.
        views: how, one after the other.
        shape, dtype: of the view.
    """

    __array_priority__ = 1000
    __array_ufunc__ = None  # NumPy then leaves operators to us

    def __init__(self, storage: Storage, views: tuple[Any, ...], shape: Sequence[int], dtype: Any) -> None:
        self.storage, self.views, self.shape, self.dtype = storage, views, tuple(shape), np.dtype(dtype)

    ndim = property(lambda self: len(self.shape))
    size = property(lambda self: math.prod(self.shape))
    T = property(lambda self: self.transpose())

    def __repr__(self) -> str:
        return f"RecordedArray(shape={self.shape}, dtype={self.dtype})"

    @property
    def name(self) -> str:
        """The name of what it is now."""
        name = self.storage.name
        for view in self.views:
            name = view.read(graphs[-1], name)
        return name

    def _view(self, view: Any, shape: Sequence[int]) -> RecordedArray:
        return RecordedArray(self.storage, (*self.views, view), shape, self.dtype)

    # ---- views

    def swapaxes(self, a: int, b: int) -> RecordedArray:
        order = list(range(self.ndim))
        order[a], order[b] = order[b], order[a]
        return self.transpose(*order)

    def transpose(self, *order: Any) -> RecordedArray:
        if len(order) == 1 and not isinstance(order[0], int):
            order = tuple(order[0])
        axes = tuple(axis % self.ndim for axis in order) if order else tuple(range(self.ndim))[::-1]
        return self._view(Permuted(axes), [self.shape[i] for i in axes]) if axes != tuple(range(self.ndim)) else self

    def reshape(self, *shape: Any) -> RecordedArray:
        sizes = list(shape[0]) if len(shape) == 1 and not isinstance(shape[0], int | np.integer) else list(shape)
        if -1 in sizes:
            sizes[sizes.index(-1)] = self.size // max(1, -math.prod(sizes))
        if math.prod(sizes) != self.size:
            raise ValueError(f"an array of shape {self.shape} cannot be reshaped to {tuple(sizes)}")
        return self if tuple(sizes) == self.shape else self._view(Reshaped(self.shape, tuple(sizes)), sizes)

    def ravel(self) -> RecordedArray:
        return self.reshape(-1)

    def __getitem__(self, index: Any) -> RecordedArray:
        given = list(index) if isinstance(index, tuple) else [index]
        if any(isinstance(part, RecordedArray | np.ndarray | list) for part in given):
            return gathered(self, given)
        used = sum(part is not None and part is not Ellipsis for part in given)
        if not any(part is Ellipsis for part in given):
            given.append(Ellipsis)
        at = next(i for i, part in enumerate(given) if part is Ellipsis)
        given[at : at + 1] = [slice(None)] * (self.ndim - used)
        shape: list[int] = []
        parts: list[Any] = []
        new: list[int] = []
        for part in given:
            if part is None:
                new.append(len(shape))
                shape.append(1)
                continue
            n = self.shape[len(parts)]
            if isinstance(part, slice):
                start, stop, step = part.indices(n)
                shape.append(len(range(start, stop, step)))
                parts.append((start, max(start, stop) if step > 0 else stop if stop >= 0 else FIRST, step))
            elif isinstance(part, LoopIndex):
                parts.append(part)
            elif -n <= int(part) < n:
                parts.append(int(part) % n)
            else:
                raise IndexError(f"index {part} is out of range for an axis of {n}")
        view = Indexed(self.shape, tuple(parts), tuple(new))
        return self._view(view, shape) if view._partial or new else self

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Any:
        return (self[i] for i in range(self.shape[0]))

    def __setitem__(self, index: Any, value: Any) -> None:
        write(self[index], value)

    # ---- results

    def astype(self, dtype: Any, copy: bool = True) -> RecordedArray:
        if np.dtype(dtype) == self.dtype:
            return self.copy() if copy else self
        return made("Cast", [self.name], self.shape, dtype, to=np.dtype(dtype).name)

    def copy(self) -> RecordedArray:
        return RecordedArray(Storage(self.name), (), self.shape, self.dtype)

    def sum(self, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> RecordedArray:
        a = (
            self.astype(dtype or np.int64)
            if self.dtype == BOOL
            else self
            if dtype is None
            else self.astype(dtype, copy=False)
        )
        return reduced("ReduceSum", a, axis, keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> RecordedArray:
        return reduced("ReduceMean", self if self.dtype.kind == "f" else self.astype(np.float64), axis, keepdims)

    def var(self, axis: Any = None, keepdims: bool = False) -> RecordedArray:
        d: Any = elementwise("sub", self, self.mean(axis, keepdims=True))
        squares: RecordedArray = d * d
        return squares.mean(axis, keepdims)

    def std(self, axis: Any = None, keepdims: bool = False) -> RecordedArray:
        return elementwise("sqrt", self.var(axis, keepdims))

    def max(self, axis: Any = None, keepdims: bool = False) -> RecordedArray:
        return reduced("ReduceMax", self, axis, keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> RecordedArray:
        return reduced("ReduceMin", self, axis, keepdims)

    def any(self, axis: Any = None, keepdims: bool = False) -> RecordedArray:
        return elementwise("gt", truth(self).sum(axis, keepdims), 0)

    def all(self, axis: Any = None, keepdims: bool = False) -> RecordedArray:
        return elementwise("not", elementwise("not", self).any(axis, keepdims))

    def argmax(self, axis: int) -> RecordedArray:
        axis %= self.ndim
        a = self.astype(np.int64) if self.dtype == BOOL else self
        shape = [n for i, n in enumerate(self.shape) if i != axis]
        return made("ArgMax", [a.name], shape, INT, axis=axis, keepdims=0)

    def __matmul__(self, other: Any) -> RecordedArray:
        return matmul(self, other)

    def __bool__(self) -> bool:
        raise TypeError("a recorded number has no truth value: the network would depend on it")

    def __float__(self) -> float:
        raise TypeError("a recorded number is known only when the network runs")

    __int__ = __index__ = __float__

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("NumPy itself was called on a recorded array; components use ctx.xp")


def made(op: str, inputs: Sequence[str], shape: Sequence[int], dtype: Any, **attributes: Any) -> RecordedArray:
    """An array of a new value."""
    return RecordedArray(Storage(graphs[-1].add(op, inputs, **attributes)), (), shape, dtype)


def lift(value: Any, dtype: Any = None, name: str = "") -> RecordedArray:
    """An argument of an operation as an array; of that type, if it is a number.

    Args:
        name: of a constant array in the file.
    """
    if isinstance(value, RecordedArray):
        return value
    a = np.asarray(value, dtype if np.ndim(value) == 0 else None)
    name = graphs[-1].number(value, a.dtype) if a.ndim == 0 else graphs[-1].constant(np.ascontiguousarray(a), name)
    return RecordedArray(Storage(name), (), a.shape, a.dtype)


def truth(a: Any) -> RecordedArray:
    """Whether each number is not 0."""
    found = lift(a)
    return found if found.dtype == BOOL else elementwise("ne", found, 0)


def elementwise(fn: str, *args: Any) -> RecordedArray:
    """fn of every number, as NumPy broadcasts and promotes."""
    given = [truth(arg) if fn in ("and", "or", "not") or (fn == "where" and i == 0) else arg for i, arg in enumerate(args)]
    values = given[1:] if fn == "where" else given
    common = np.result_type(*(a.dtype if isinstance(a, RecordedArray | np.ndarray | np.generic) else a for a in values))
    if (fn in REAL and common.kind != "f") or (common == BOOL and fn in ("add", "sub", "mul", "pow")):
        common = np.dtype(np.float64) if fn in REAL else INT
    arrays = [lift(a, None if fn == "where" and i == 0 else common) for i, a in enumerate(given)]
    shape = np.broadcast_shapes(*(a.shape for a in arrays))
    names = [
        a.name if a.dtype == common or (fn == "where" and i == 0) else a.astype(common).name for i, a in enumerate(arrays)
    ]
    dtype = BOOL if fn in (*COMPARED, "ne", "isnan", "isfinite", "not", "and", "or") else common
    return RecordedArray(Storage(_operator(fn, names, common)), (), shape, dtype)


def _operator(fn: str, names: list[str], common: np.dtype[Any]) -> str:
    graph = graphs[-1]
    if fn == "ne":
        return graph.add("Not", (graph.add("Equal", names),))
    if fn in ("and", "or"):
        return graph.add(fn.capitalize(), names)
    if fn == "log1p":
        return graph.add("Log", (graph.add("Add", (names[0], graph.number(1, common))),))
    if fn == "expm1":
        return graph.add("Sub", (graph.add("Exp", names), graph.number(1, common)))
    if fn == "isfinite":
        nan = [graph.add(op, names) for op in ("IsNaN", "IsInf")]
        return graph.add("Not", (graph.add("Or", nan),))
    return graph.add("Where" if fn == "where" else (BINARY | UNARY)[fn], names)


def reduced(op: str, a: RecordedArray, axis: Any, keepdims: bool) -> RecordedArray:
    """A sum, mean, maximum or minimum over axes."""
    given = range(a.ndim) if axis is None else axis if isinstance(axis, tuple | range) else (axis,)
    axes = sorted(i % a.ndim for i in given)
    shape = [1 if i in axes else n for i, n in enumerate(a.shape) if keepdims or i not in axes]
    return made(op, [a.name, graphs[-1].ints(*axes)], shape, a.dtype, keepdims=int(keepdims)) if axes else a


def matmul(a: Any, b: Any) -> RecordedArray:
    """a @ b for arrays of two axes or more."""
    a, b = lift(a), lift(b)
    dtype = np.result_type(a.dtype, b.dtype)
    shape = (*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1])
    return made("MatMul", [x.astype(dtype, copy=False).name for x in (a, b)], shape, dtype)


def gathered(a: RecordedArray, parts: list[Any]) -> RecordedArray:
    """a[i, j, ...], rows chosen by arrays of numbers; further axes stay whole."""
    ids = [lift(np.asarray(part) if isinstance(part, list) else part) for part in parts if part is not Ellipsis]
    if parts[0] is Ellipsis or any(i.dtype.kind != "i" for i in ids):
        return RecordedArray(
            Storage(graphs[-1].unsupported("an index of truth values, or after `...`")), (), a.shape, a.dtype
        )
    shape = np.broadcast_shapes(*(i.shape for i in ids))
    if len(ids) == 1:
        return made("Gather", [a.name, ids[0].name], (*shape, *a.shape[1:]), a.dtype, axis=0)
    columns = [broadcast(i, shape)[..., None].name for i in ids]
    places = graphs[-1].add("Concat", columns, axis=len(shape))
    return made("GatherND", [a.name, places], (*shape, *a.shape[len(ids) :]), a.dtype)


def broadcast(a: Any, shape: Sequence[int]) -> RecordedArray:
    """An array repeated along new axes and axes of length 1."""
    found = lift(a)
    return (
        found if found.shape == tuple(shape) else made("Expand", [found.name, graphs[-1].ints(*shape)], shape, found.dtype)
    )


def write(a: RecordedArray, value: Any) -> RecordedArray:
    """Put numbers where `a` looks: its storage gets another value."""
    graph, source = graphs[-1], lift(value, a.dtype)
    part = broadcast(source.astype(a.dtype, copy=False), a.shape).name
    if a.storage.graph is not graph:
        part = graph.unsupported("a step of a loop writes to an array from outside")
    before = [a.storage.name]
    for view in a.views[:-1]:
        before.append(view.read(graph, before[-1]))
    for view, old in zip(reversed(a.views), reversed(before), strict=False):
        part = view.put(graph, old, part)
    a.storage.name = part
    return a


_OPERATORS = {"add": "add", "sub": "sub", "mul": "mul", "truediv": "div", "pow": "pow", "and": "and", "or": "or"}
for _name, _fn in _OPERATORS.items():
    setattr(RecordedArray, f"__{_name}__", lambda a, b, fn=_fn: elementwise(fn, a, b))
    setattr(RecordedArray, f"__r{_name}__", lambda a, b, fn=_fn: elementwise(fn, b, a))
    setattr(RecordedArray, f"__i{_name}__", lambda a, b, fn=_fn: write(a, elementwise(fn, a, b)))
for _fn in (*COMPARED, "ne"):
    setattr(RecordedArray, f"__{_fn}__", lambda a, b, fn=_fn: elementwise(fn, a, b))
RecordedArray.__hash__ = object.__hash__  # type: ignore[method-assign]
for _name, _fn in {"neg": "neg", "abs": "abs", "invert": "not"}.items():
    setattr(RecordedArray, f"__{_name}__", lambda a, fn=_fn: elementwise(fn, a))
