"""What components hold while a step is traced: an array that records what is done with it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from framework.training.compiled.columns import on_columns
from framework.training.compiled.graph import (
    Read,
    Scalar,
    UnknownNameError,
    UntraceableError,
    Value,
    memory_order,
    regrouped,
    row_major,
)

BOOL = np.dtype(bool)
COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne")
REAL = ("exp", "log", "log1p", "expm1", "tanh", "sqrt", "div", "floor", "ceil", "rint", "sin", "cos", "exp2", "log2")


class Storage:
    """What a family of views looks at; a write gives it another value."""

    def __init__(self, value: Value) -> None:
        self.value, self.loop = value, inside[-1]


class LoopIndex:
    """The number of a step in a loop. It can only choose from an array, as in `a[..., t, :, :]`.

    Args:
        name: what C calls it.
        n: how many steps there are.
    """

    def __init__(self, name: str, n: int) -> None:
        self.name, self.n = name, n

    def __index__(self, *_: Any) -> int:
        raise UntraceableError("the number of a time step only chooses from an array: the steps of a loop are one code")

    __bool__ = __float__ = __int__ = __hash__ = __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __index__  # type: ignore[assignment]
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __mod__ = __floordiv__ = __index__


inside: list[Any] = [None]  # the loops whose body is being traced, the innermost last


class TracedArray:
    """An array of the traced step, or a view of one.

    Args:
        storage: what it looks at.
        shape, strides, offset, steps: where, counted in numbers; see `Read`.
    """

    __array_priority__ = 1000
    __array_ufunc__ = None  # NumPy then leaves operators to us

    def __init__(
        self,
        storage: Storage,
        shape: tuple[int, ...],
        strides: tuple[int, ...],
        offset: int = 0,
        steps: tuple[tuple[str, int], ...] = (),
    ) -> None:
        self.storage, self.shape, self.strides, self.offset = storage, tuple(shape), tuple(strides), offset
        self.steps = steps

    dtype = property(lambda self: self.storage.value.dtype)
    ndim = property(lambda self: len(self.shape))
    size = property(lambda self: math.prod(self.shape))
    T = property(lambda self: self.transpose())

    def __repr__(self) -> str:
        return f"TracedArray(shape={self.shape}, dtype={self.dtype})"

    def read(self) -> Read:
        """What it reads now."""
        running = {loop.name for loop in inside if loop is not None}
        if self.storage.loop not in inside or any(name not in running for name, _ in self.steps):
            raise UntraceableError("an array of a step of a loop is used after the loop: return it from the step")
        return Read(self.storage.value, self.shape, self.strides, self.offset, self.steps)

    def view(self, shape: Any, strides: Any, offset: int | None = None, steps: Any = ()) -> TracedArray:
        """Another view of the same storage."""
        start = self.offset if offset is None else offset
        return TracedArray(self.storage, tuple(shape), tuple(strides), start, (*self.steps, *steps))

    # ---- views

    def swapaxes(self, a: int, b: int) -> TracedArray:
        order = list(range(self.ndim))
        order[a], order[b] = order[b], order[a]
        return self.transpose(*order)

    def transpose(self, *order: Any) -> TracedArray:
        if len(order) == 1 and not isinstance(order[0], int):
            order = tuple(order[0])
        axes = [axis % self.ndim for axis in order] if order else list(range(self.ndim))[::-1]
        return self.view((self.shape[i] for i in axes), (self.strides[i] for i in axes))

    def reshape(self, *shape: Any) -> TracedArray:
        sizes = list(shape[0]) if len(shape) == 1 and not isinstance(shape[0], int | np.integer) else list(shape)
        if -1 in sizes:
            sizes[sizes.index(-1)] = self.size // max(1, -math.prod(sizes))
        if math.prod(sizes) != self.size:
            raise ValueError(f"an array of shape {self.shape} cannot be reshaped to {tuple(sizes)}")
        strides = regrouped(self.shape, self.strides, sizes)
        return contiguous(self).reshape(sizes) if strides is None else self.view(sizes, strides)

    def ravel(self) -> TracedArray:
        return self.reshape(-1)

    def __getitem__(self, index: Any) -> TracedArray:
        parts = list(index) if isinstance(index, tuple) else [index]
        if any(isinstance(part, TracedArray | np.ndarray | list) for part in parts):
            return gathered(self, parts)
        used = sum(part is not None and part is not Ellipsis for part in parts)
        if not any(part is Ellipsis for part in parts):
            parts.append(Ellipsis)
        at = next(i for i, part in enumerate(parts) if part is Ellipsis)
        parts[at : at + 1] = [slice(None)] * (self.ndim - used)
        shape, strides, offset, axis, steps = [], [], self.offset, 0, []
        for part in parts:
            if part is None:
                shape.append(1)
                strides.append(0)
                continue
            n, step, axis = self.shape[axis], self.strides[axis], axis + 1
            if isinstance(part, slice):
                start, stop, by = part.indices(n)
                shape.append(len(range(start, stop, by)))
                strides.append(step * by)
                offset += start * step
            elif isinstance(part, LoopIndex):
                if part.n > n:
                    raise IndexError(f"a loop of {part.n} steps is out of range for an axis of {n}")
                steps.append((part.name, step))
            else:
                if not -n <= int(part) < n:
                    raise IndexError(f"index {part} is out of range for an axis of {n}")
                offset += (int(part) % n) * step
        return self.view(shape, strides, offset, steps)

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[TracedArray]:
        return (self[i] for i in range(self.shape[0]))

    # ---- results

    def astype(self, dtype: Any, copy: bool = True) -> TracedArray:
        if np.dtype(dtype) == self.dtype:
            return contiguous(self, copy=True) if copy else self
        return mapped(self.shape, np.dtype(dtype), [self.read()], fn="id")

    def copy(self) -> TracedArray:
        return contiguous(self, copy=True)

    def sum(self, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> TracedArray:
        if self.dtype == BOOL:
            return self.astype(dtype or np.int64).sum(axis, keepdims)
        return reduce("sum", self if dtype is None else self.astype(dtype, copy=False), axis, keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> TracedArray:
        real = self if self.dtype.kind == "f" else self.astype(np.float64)
        total = reduce("sum", real, axis, keepdims)
        return elementwise("div", total, self.size // max(1, total.size))

    def var(self, axis: Any = None, keepdims: bool = False) -> TracedArray:
        d: Any = elementwise("sub", self, self.mean(axis, keepdims=True))
        squares: TracedArray = d * d
        return squares.mean(axis, keepdims)

    def std(self, axis: Any = None, keepdims: bool = False) -> TracedArray:
        return elementwise("sqrt", self.var(axis, keepdims))

    def max(self, axis: Any = None, keepdims: bool = False) -> TracedArray:
        return reduce("max", self, axis, keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> TracedArray:
        return reduce("min", self, axis, keepdims)

    def any(self, axis: Any = None, keepdims: bool = False) -> TracedArray:
        return reduce("max", self if self.dtype == BOOL else elementwise("ne", self, 0), axis, keepdims)

    def all(self, axis: Any = None, keepdims: bool = False) -> TracedArray:
        return reduce("min", self if self.dtype == BOOL else elementwise("ne", self, 0), axis, keepdims)

    def argmax(self, axis: int) -> TracedArray:
        axis %= self.ndim
        shape = tuple(n for i, n in enumerate(self.shape) if i != axis)
        return new("argmax", shape, np.dtype(np.int64), [self.read()], axis=axis)

    def __matmul__(self, other: Any) -> TracedArray:
        return matmul(self, other)

    def __setitem__(self, index: Any, value: Any) -> None:
        write(self[index], value)

    def __bool__(self) -> bool:
        raise UntraceableError("a traced number has no truth value: the step would depend on it")

    def __float__(self) -> float:
        raise UntraceableError("a traced number is known only when the step runs")

    __int__ = __index__ = __float__

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise UntraceableError("NumPy itself was called on a traced array; components use ctx.xp")

    def __getattr__(self, name: str) -> Any:
        raise UnknownNameError(f"a traced array has no '{name}'")


def new(op: str, shape: Any, dtype: Any, args: Any = (), **detail: Any) -> TracedArray:
    """An array of a new value."""
    value = Value(op, tuple(shape), np.dtype(dtype), tuple(args), detail)
    return TracedArray(Storage(value), value.shape, row_major(value.shape))


def elementwise(fn: str, *args: Any) -> TracedArray:
    """fn of every number, as NumPy broadcasts and promotes."""
    arrays = [lift(arg) for arg in args]
    shape = np.broadcast_shapes(*(a.shape for a in arrays if isinstance(a, TracedArray)))
    values = arrays[1:] if fn == "where" else arrays
    if fn in ("where", "not"):
        arrays[0] = truth(arrays[0])
    common = np.result_type(
        *(a.dtype if isinstance(a, TracedArray) else 1.0 if isinstance(a, Scalar) else a for a in values)
    )
    if fn in REAL and common.kind != "f":
        common = np.dtype(np.float64)
    if fn == "id":
        common = values[0].dtype
    dtype = BOOL if fn in COMPARISONS or fn in ("isnan", "isfinite") else common
    reads = [a.read().broadcast(shape) if isinstance(a, TracedArray) else a for a in arrays]
    return mapped(shape, dtype, reads, fn=fn, common=common)


def truth(a: Any) -> Any:
    """Whether each number is not 0."""
    if isinstance(a, TracedArray):
        return a if a.dtype == BOOL else elementwise("ne", a, 0)
    return bool(a)


def mapped(shape: Any, dtype: Any, args: Any, **detail: Any) -> TracedArray:
    """An array of a new map, its axes in memory in the order that the arguments have there, as in NumPy."""
    order = memory_order(shape, [arg for arg in args if isinstance(arg, Read)])
    return ordered(
        "map", shape, order, dtype, [arg.transposed(order) if isinstance(arg, Read) else arg for arg in args], **detail
    )


def ordered(op: str, shape: Any, order: Sequence[int], dtype: Any, args: Any = (), **detail: Any) -> TracedArray:
    """An array of a new value whose axes lie in memory in that order; the arguments have that order already."""
    made = new(op, [shape[i] for i in order], dtype, args, **detail)
    return made.transpose(*np.argsort(order).tolist()) if list(order) != sorted(order) else made


def lift(arg: Any) -> Any:
    """An argument of an operation: traced, or a plain number."""
    if isinstance(arg, TracedArray | Scalar | bool | int | float):
        return arg
    if isinstance(arg, np.generic) or (isinstance(arg, np.ndarray) and arg.ndim == 0):
        return arg.item() if arg.dtype.kind != "f" else constant(np.asarray(arg))
    if isinstance(arg, np.ndarray):
        return constant(arg)
    raise UntraceableError(f"{type(arg).__name__} is not an array or a number")


def traced(arg: Any) -> TracedArray:
    """An argument that has to be an array."""
    found = lift(arg)
    if not isinstance(found, TracedArray):
        raise UntraceableError(f"{arg!r} is not an array")
    return found


def constant(a: np.ndarray) -> TracedArray:
    """An array that is the same in every step."""
    return new("constant", a.shape, a.dtype, data=np.ascontiguousarray(a))


def contiguous(a: TracedArray, copy: bool = False) -> TracedArray:
    """The same numbers in row-major order."""
    return a if a.read().is_whole and not copy else new("map", a.shape, a.dtype, [a.read()], fn="id")


def write(a: TracedArray, value: Any) -> TracedArray:
    """Put numbers where `a` looks: its storage gets another value."""
    if a.storage.loop is not inside[-1]:
        raise UntraceableError("a step of a loop writes to an array from outside: return the new array instead")
    source = lift(value)
    if not isinstance(source, TracedArray):
        source = new("fill", (), a.dtype, number=source)
    if source.storage is a.storage and source.shape == a.shape and source.read().same_places(a.read()):
        return a  # Python puts the result of `a[i] += b` into a[i] once more
    read = source.read().broadcast(a.shape)
    if source.dtype != a.dtype:
        read = mapped(a.shape, a.dtype, [read], fn="id").read()
    order = memory_order(a.shape, [a.read()])
    target, read = a.read().transposed(order), read.transposed(order)
    if read.value is target.value and read.same_places(target):  # `a[i] += b` writes a second time what it has written
        return a
    if target.is_whole:
        is_value = read.is_whole and read.shape == read.value.shape == target.value.shape and read.value.op != "input"
        a.storage.value = read.value if is_value else _shaped(read, target.value)
    elif (columns := on_columns(target, read)) is not None:
        a.storage.value = columns
    else:
        old = target.value
        args = (Read(old, old.shape, row_major(old.shape)), read)
        a.storage.value = Value("update", old.shape, old.dtype, args, {"region": target})
    return a


def _shaped(read: Read, like: Value) -> Value:
    """A copy of what is read, in the shape of the storage's value."""
    strides = regrouped(read.shape, read.strides, like.shape)
    if strides is None:
        read = new("map", read.shape, like.dtype, [read], fn="id").read()
        strides = regrouped(read.shape, read.strides, like.shape)
        assert strides is not None
    source = Read(read.value, like.shape, strides, read.offset, read.steps)
    return Value("map", like.shape, like.dtype, (source,), {"fn": "id"})


def gathered(a: TracedArray, parts: list[Any]) -> TracedArray:
    """a[i, j, ...], rows chosen by arrays of numbers; further axes stay whole."""
    ids = [lift(part) for part in parts]
    if not all(isinstance(i, TracedArray) and i.dtype.kind == "i" for i in ids):
        raise UntraceableError("an index of booleans, or of arrays beside slices, is not traced")
    shape = np.broadcast_shapes(*(i.shape for i in ids))
    reads = [a.read(), *(i.read().broadcast(shape) for i in ids)]
    return new("gather", (*shape, *a.shape[len(ids) :]), a.dtype, reads)


def reduce(fn: str, a: TracedArray, axis: Any, keepdims: bool) -> TracedArray:
    """sum, max or min over axes."""
    given = range(a.ndim) if axis is None else axis if isinstance(axis, tuple | range) else (axis,)
    axes = tuple(sorted(i % a.ndim for i in given))
    kept = tuple(1 if i in axes else n for i, n in enumerate(a.shape))
    order = memory_order(a.shape, [a.read()])
    places = tuple(i for i, axis in enumerate(order) if axis in axes)
    out = ordered("reduce", kept, order, a.dtype, [a.read().transposed(order)], fn=fn, axes=places)
    return out if keepdims else out.reshape([n for i, n in enumerate(a.shape) if i not in axes])


def matmul(a: Any, b: Any) -> TracedArray:
    """a @ b for arrays of two axes or more."""
    a, b = lift(a), lift(b)
    if a.ndim < 2 or b.ndim < 2 or a.shape[-1] != b.shape[-2]:
        raise UntraceableError(f"a product of shapes {a.shape} and {b.shape} is not traced")
    dtype = np.result_type(a.dtype, b.dtype)
    if dtype.kind != "f":
        raise UntraceableError(f"a product of {dtype} is not traced")
    a, b = a.astype(dtype, copy=False), b.astype(dtype, copy=False)
    (m, k), n = a.shape[-2:], b.shape[-1]
    if not m * k * n:
        return new("fill", (*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), m, n), dtype, number=0)
    if m == n == 1:
        return reduce("sum", elementwise("mul", a[..., 0, :], b[..., 0]), -1, keepdims=True)[..., None]
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    reads = [a.read().broadcast((*lead, m, k)), b.read().broadcast((*lead, k, n))]
    return new("matmul", (*lead, m, n), dtype, reads)


_BINARY = {"add": "add", "sub": "sub", "mul": "mul", "truediv": "div", "pow": "pow", "and": "and", "or": "or"}
for _name, _fn in _BINARY.items():
    setattr(TracedArray, f"__{_name}__", lambda a, b, fn=_fn: elementwise(fn, a, b))
    setattr(TracedArray, f"__r{_name}__", lambda a, b, fn=_fn: elementwise(fn, b, a))
    setattr(TracedArray, f"__i{_name}__", lambda a, b, fn=_fn: write(a, elementwise(fn, a, b)))
for _fn in COMPARISONS:
    setattr(TracedArray, f"__{_fn}__", lambda a, b, fn=_fn: elementwise(fn, a, b))
TracedArray.__hash__ = object.__hash__  # type: ignore[method-assign]


def _inverted(a: TracedArray) -> TracedArray:
    if a.dtype != BOOL:
        raise UntraceableError(f"~ of an array of {a.dtype} is not traced")
    return elementwise("not", a)


setattr(TracedArray, "__invert__", _inverted)  # noqa: B010
for _name, _fn in {"neg": "neg", "abs": "abs"}.items():
    setattr(TracedArray, f"__{_name}__", lambda a, fn=_fn: elementwise(fn, a))
