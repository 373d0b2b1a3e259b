"""The graph of a traced step: values without side effects, and strided reads of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Number = bool | int | float
_ids = itertools.count()
origins: list[Callable[[], Any]] = []  # the last one says where a new value comes from


class UntraceableError(TypeError):
    """The code does something that only values can decide, or that the tracer does not know."""


class UnknownNameError(UntraceableError, AttributeError):
    """The tracer has nothing of that name; `hasattr` is then false."""


@dataclass(eq=False)
class Value:
    """One result: contiguous, row-major, computed once.

    Attributes:
        op: input, constant, fill, map, reduce, argmax, gather, matmul, update, or loop.
        shape, dtype: of the result.
        args: what it reads: `Read`s, numbers, and `Scalar`s.
        detail: what else the operation needs: the function of a map, the axes of a reduction, ...
        origin: where the code that made it stands, if a listing needs it.
    """

    op: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    args: tuple[Any, ...] = ()
    detail: dict[str, Any] = field(default_factory=dict)
    id: int = field(default_factory=lambda: next(_ids))
    origin: Any = field(default_factory=lambda: origins[-1]() if origins else None)

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)

    @property
    def reads(self) -> list[Read]:
        """Its arguments that are arrays."""
        return [arg for arg in self.args if isinstance(arg, Read)]


@dataclass(frozen=True, eq=False)
class Read:
    """A strided read of a value: its number i, j is number `offset + i strides[0] + j strides[1]` of the value.

    In a loop, `steps` adds to the offset: for each loop, its index times a stride.
    """

    value: Value
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0
    steps: tuple[tuple[str, int], ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether it reads the whole value in its own order."""
        own = row_major(self.shape)
        steps = all(s == o or n == 1 for s, o, n in zip(self.strides, own, self.shape, strict=True))
        return steps and self.offset == 0 and not self.steps and math.prod(self.shape) == self.value.size

    @property
    def span(self) -> tuple[float, float]:
        """The places of the first and the last number in the value; everything, where a loop moves them."""
        if self.steps:
            return -math.inf, math.inf
        ends = [(n - 1) * s for n, s in zip(self.shape, self.strides, strict=True)]
        return self.offset + sum(e for e in ends if e < 0), self.offset + sum(e for e in ends if e > 0)

    def broadcast(self, shape: Sequence[int]) -> Read:
        """The same read, repeated along new axes and axes of length 1."""
        lead = len(shape) - len(self.shape)
        own = zip(self.shape, self.strides, shape[lead:], strict=True)
        strides = [0] * lead + [0 if n == 1 and m != 1 else s for n, s, m in own]
        return Read(self.value, tuple(shape), tuple(strides), self.offset, self.steps)

    def transposed(self, order: Sequence[int]) -> Read:
        """The same read with its axes in another order."""
        shape, strides = (tuple(sizes[i] for i in order) for sizes in (self.shape, self.strides))
        return Read(self.value, shape, strides, self.offset, self.steps)

    def same_places(self, other: Read) -> bool:
        """Whether both read the same number at every index."""
        return (self.strides, self.offset, self.steps) == (other.strides, other.offset, other.steps)

    def is_apart(self, other: Read) -> bool:
        """Whether both read columns of the same rows, and no number twice."""
        if (self.shape, self.strides, self.steps) != (other.shape, other.strides, other.steps) or not self.shape:
            return False
        row = min([s for s, n in zip(self.strides[:-1], self.shape, strict=False) if n > 1], default=0)
        width, distance = self.shape[-1] * self.strides[-1], abs(self.offset - other.offset)
        return self.strides[-1] > 0 and width <= distance and (not row or distance + width <= row)


def whole(value: Value) -> Read:
    """A read of all of it."""
    return Read(value, value.shape, row_major(value.shape))


def row_major(shape: Sequence[int]) -> tuple[int, ...]:
    """The strides of a contiguous array of that shape."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= n
    return tuple(reversed(strides))


def memory_order(shape: Sequence[int], reads: Sequence[Read]) -> list[int]:
    """The axes by their steps in memory, the longest first, in the first read that walks through all of them."""
    axes = [i for i, n in enumerate(shape) if n != 1]
    order = list(range(len(shape)))
    for read in reads:
        if all(read.strides[i] for i in axes):
            by_step = sorted(axes, key=lambda i: -abs(read.strides[i]))
            for i, axis in zip(axes, by_step, strict=True):
                order[i] = axis
            break
    return order


def regrouped(shape: Sequence[int], strides: Sequence[int], new: Sequence[int]) -> tuple[int, ...] | None:
    """The strides of a reshaped view; None where the numbers would have to be copied."""
    old = [(n, s) for n, s in zip(shape, strides, strict=True) if n != 1]
    out: list[int] = []
    i = j = 0
    while i < len(old) and j < len(new):
        if new[j] == 1:
            out.append(0)
            j += 1
            continue
        i_end, j_end, n_old, n_new = i + 1, j + 1, old[i][0], new[j]
        while n_old != n_new:
            if n_old < n_new:
                n_old *= old[i_end][0]
                i_end += 1
            else:
                n_new *= new[j_end]
                j_end += 1
        if any(old[k][1] != old[k + 1][1] * old[k + 1][0] for k in range(i, i_end - 1)):
            return None
        step, part = old[i_end - 1][1], []
        for n in reversed(new[j:j_end]):
            part.append(step)
            step *= n
        out += reversed(part)
        i, j = i_end, j_end
    return tuple(out + [0] * (len(new) - len(out)))


class Scalar:
    """A number that is known when the step runs: its count, the learning rate, an option of the replica.

    Arithmetic with numbers makes further scalars, computed once a step in double precision.

    Args:
        code: a C expression of type double.
    """

    ndim = 0
    shape = ()

    def __init__(self, code: str) -> None:
        self.code = code

    def __repr__(self) -> str:
        return f"Scalar({self.code})"

    def __bool__(self) -> bool:
        raise UntraceableError(f"the number {self.code} is known when the step runs; it has no truth value before")

    __float__ = __int__ = __index__ = __bool__


def _operator(form: str, swapped: bool = False) -> Any:
    def apply(self: Scalar, other: Any) -> Any:
        if not isinstance(other, Scalar | bool | int | float | np.generic):
            return NotImplemented
        a, b = self.code, other.code if isinstance(other, Scalar) else literal(float(other), "double")
        return Scalar(form.format(*((b, a) if swapped else (a, b))))

    return apply


for _name, _form in {
    "add": "({} + {})",
    "sub": "({} - {})",
    "mul": "({} * {})",
    "truediv": "({} / {})",
    "pow": "pow({}, {})",
}.items():
    setattr(Scalar, f"__{_name}__", _operator(_form))
    setattr(Scalar, f"__r{_name}__", _operator(_form, swapped=True))
setattr(Scalar, "__neg__", lambda self: Scalar(f"(-{self.code})"))  # noqa: B010


def literal(number: Number, ctype: str) -> str:
    """A number as C writes it."""
    if ctype in ("double", "float"):
        number = float(number)
        if math.isnan(number):
            return "NAN"
        if math.isinf(number):
            return "INFINITY" if number > 0 else "(-INFINITY)"
        return f"{number!r}f" if ctype == "float" else repr(number)
    return str(int(number))
