"""The array module that components see as `ctx.xp` while a step is traced."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from framework.training.compiled.array import (
    TracedArray,
    constant,
    contiguous,
    elementwise,
    lift,
    matmul,
    new,
    ordered,
    reduce,
    traced,
    truth,
    write,
)
from framework.training.compiled.graph import Scalar, UnknownNameError, memory_order
from framework.training.compiled.loops import scan

UNARY = {"exp", "log", "log1p", "expm1", "tanh", "sqrt", "abs", "sign", "isnan", "isfinite", "floor", "ceil", "sin", "cos"}
UNARY_AS = {"absolute": "abs", "negative": "neg", "logical_not": "not"}
BINARY_AS = {"add": "add", "subtract": "sub", "multiply": "mul", "divide": "div", "maximum": "max", "minimum": "min"}
BINARY_AS |= {"power": "pow", "less": "lt", "greater": "gt", "equal": "eq"}
LOGICAL = {"logical_and": "and", "logical_or": "or"}


class ArrayModule:
    """NumPy as far as a step can be traced; anything else raises UntraceableError with its name."""

    float32, float64, int64, int32, bool_ = np.float32, np.float64, np.int64, np.int32, np.bool_
    inf, nan, pi, newaxis = np.inf, np.nan, np.pi, None
    ndarray = TracedArray

    def __init__(self) -> None:
        self.loops = itertools.count(1)

    def __getattr__(self, name: str) -> Any:
        if name in UNARY or name in UNARY_AS:
            return lambda x, out=None: _into(out, elementwise(UNARY_AS.get(name, name), x))
        if name in LOGICAL:
            return lambda a, b, out=None: _into(out, elementwise(LOGICAL[name], truth(a), truth(b)))
        if name in BINARY_AS:
            return lambda a, b, out=None: _into(out, elementwise(BINARY_AS[name], a, b))
        raise UnknownNameError(f"xp.{name} is not traced")

    def where(self, condition: Any, a: Any, b: Any) -> TracedArray:
        return elementwise("where", condition, a, b)

    def square(self, x: Any, out: Any = None) -> TracedArray:
        return _into(out, x * x)

    def clip(self, x: Any, low: Any, high: Any, out: Any = None) -> TracedArray:
        return _into(out, elementwise("min", elementwise("max", x, low), high))

    def full(self, shape: Any, number: Any, dtype: Any = None) -> TracedArray:
        sizes = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
        return new("fill", sizes, dtype or np.asarray(number).dtype, number=number)

    def zeros(self, shape: Any, dtype: Any = np.float64) -> TracedArray:
        return self.full(shape, 0, dtype)

    def ones(self, shape: Any, dtype: Any = np.float64) -> TracedArray:
        return self.full(shape, 1, dtype)

    def empty(self, shape: Any, dtype: Any = np.float64) -> TracedArray:
        sizes = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
        return new("fill", sizes, dtype, number=0, is_empty=True)

    def full_like(self, a: Any, number: Any, dtype: Any = None, shape: Any = None, **detail: Any) -> TracedArray:
        sizes = tuple(a.shape if shape is None else shape)
        order = memory_order(a.shape, [a.read()]) if len(sizes) == a.ndim else range(len(sizes))
        return ordered("fill", sizes, order, dtype or a.dtype, number=number, **detail)

    def zeros_like(self, a: Any, dtype: Any = None, shape: Any = None) -> TracedArray:
        return self.full_like(a, 0, dtype, shape)

    def ones_like(self, a: Any, dtype: Any = None, shape: Any = None) -> TracedArray:
        return self.full_like(a, 1, dtype, shape)

    def empty_like(self, a: Any, dtype: Any = None, shape: Any = None) -> TracedArray:
        return self.full_like(a, 0, dtype, shape, is_empty=True)

    def arange(self, *bounds: int, dtype: Any = None) -> TracedArray:
        return constant(np.arange(*bounds, dtype=dtype))

    def asarray(self, a: Any, dtype: Any = None) -> Any:
        if isinstance(a, Scalar):
            return new("fill", (), dtype or np.float64, number=a)
        if isinstance(a, TracedArray):
            return a if dtype is None else a.astype(dtype, copy=False)
        return constant(np.asarray(a, dtype))

    array = asarray

    def ascontiguousarray(self, a: Any) -> TracedArray:
        return contiguous(a)

    def broadcast_to(self, a: Any, shape: Sequence[int]) -> TracedArray:
        read = lift(a).read().broadcast(shape)
        return lift(a).view(read.shape, read.strides) if isinstance(a, TracedArray) else self.full(shape, a)

    def matmul(self, a: Any, b: Any) -> TracedArray:
        return matmul(a, b)

    def sum(self, a: Any, axis: Any = None, keepdims: bool = False) -> TracedArray:
        return traced(a).sum(axis, keepdims)

    def max(self, a: Any, axis: Any = None, keepdims: bool = False) -> TracedArray:
        return reduce("max", a, axis, keepdims)

    def min(self, a: Any, axis: Any = None, keepdims: bool = False) -> TracedArray:
        return reduce("min", a, axis, keepdims)

    def mean(self, a: Any, axis: Any = None, keepdims: bool = False) -> TracedArray:
        return traced(a).mean(axis, keepdims)

    def stack(self, arrays: Sequence[Any], axis: int = 0) -> TracedArray:
        first = lift(arrays[0])
        shape = list(first.shape)
        axis %= len(shape) + 1
        shape.insert(axis, len(arrays))
        out = self.empty(tuple(shape), np.result_type(*(a.dtype for a in arrays)))
        for i, a in enumerate(arrays):
            out[(slice(None),) * axis + (i,)] = a
        return out

    def concatenate(self, arrays: Sequence[Any], axis: int = 0) -> TracedArray:
        first = lift(arrays[0])
        axis %= first.ndim
        shape = list(first.shape)
        shape[axis] = sum(a.shape[axis] for a in arrays)
        out, at = self.empty(tuple(shape), np.result_type(*(a.dtype for a in arrays))), 0
        for a in arrays:
            out[(slice(None),) * axis + (slice(at, at + a.shape[axis]),)] = a
            at += a.shape[axis]
        return out

    def scan(self, n: int, step: Callable[[Any, Any], Any], state: Any, reverse: bool = False) -> Any:
        """See `framework.scan`."""
        return scan(f"time{next(self.loops)}", n, step, state, reverse)

    def split(self, a: Any, parts: int, axis: int = 0) -> list[TracedArray]:
        axis %= a.ndim
        n = a.shape[axis] // parts
        return [a[(slice(None),) * axis + (slice(i * n, (i + 1) * n),)] for i in range(parts)]


def _into(out: Any, result: TracedArray) -> TracedArray:
    return result if out is None else write(out, result)
