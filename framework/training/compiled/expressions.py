"""The expressions of values, and what is read and written where: the same text in C and in CUDA C."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from framework.training.compiled.functions import CTYPES, apply, ctype_of
from framework.training.compiled.graph import Read, Scalar, Value, literal
from framework.training.compiled.schedule import Kernel, Schedule


class Expressions(ABC):
    """What writes the expressions of kernels; an emitter knows where values lie.

    Attributes:
        schedule: what the kernels belong to.
    """

    schedule: Schedule

    @abstractmethod
    def pointer(self, value: Value) -> str:
        """Where a value lies."""

    @abstractmethod
    def scalar(self, number: Scalar) -> str:
        """The name of a number that is known when the step runs."""

    def is_stored(self, value: Value, place: Read, kernel: Kernel) -> bool:
        """Whether anything but this kernel reads a value from memory."""
        if place.value is not value or value.id in self.schedule.ends or value.op == "loop":
            return True
        reads = [read for part, _ in kernel.parts for read in part.reads]
        here = sum(read.value is value and read.is_whole and read.shape == value.shape for read in reads)
        return here < len(self.schedule.uses[value.id])

    def number(self, number: Any, ctype: str) -> str:
        """A number, or what is known when the step runs."""
        if isinstance(number, Scalar):
            return f"({ctype}){self.scalar(number)}"
        return literal(number, ctype)

    def expression(self, arg: Any, ctype: str, index: Sequence[str], names: Names, known: Mapping[int, str]) -> str:
        """An argument as C, of that type."""
        if not isinstance(arg, Read):
            return self.number(arg, ctype)
        value = arg.value
        if value.id in known and arg.is_whole:
            text = known[value.id]
        elif value.id in self.schedule.inlined and value.op == "fill":
            return self.number(value.detail["number"], ctype)
        elif value.id in self.schedule.inlined:
            text = self.formula(value, index, names, known)
        else:
            text = names.item(self, arg, index)
        if value.dtype == bool and ctype in ("float", "double"):
            return f"({text} ? {literal(1, ctype)} : {literal(0, ctype)})"  # compilers make vectors of that
        return text if ctype_of(value) == ctype else f"(({ctype}){text})"

    def formula(self, value: Value, index: Sequence[str], names: Names, known: Mapping[int, str]) -> str:
        """The expression of a map."""
        fn = value.detail["fn"]
        if fn == "columns":
            rest, chosen = (self.expression(arg, ctype_of(value), index, names, known) for arg in value.args)
            (first, last), i = value.detail["columns"], index[-1]
            inside = [f"{i} >= {first}"] * (first > 0) + [f"{i} < {last}"] * (last < value.shape[-1])
            return f"({' && '.join(inside)} ? {chosen} : {rest})"
        common = CTYPES[str(value.detail.get("common", value.dtype))]
        kinds = [common] * len(value.args)
        if fn == "where":
            kinds[0] = "uint8_t"
        if fn == "not":
            kinds = common_bool = ["uint8_t"]
            common = common_bool[0]
        arguments = [self.expression(arg, kind, index, names, known) for arg, kind in zip(value.args, kinds, strict=True)]
        if fn == "pow" and value.args[1] in (2, 0.5, -1, 3) and not isinstance(value.args[1], Read | Scalar):
            x = arguments[0]
            power = {2: f"({x} * {x})", 3: f"({x} * {x} * {x})", -1: f"(1 / {x})", 0.5: apply("sqrt", common, [x])}
            return power[value.args[1]]
        return apply(fn, common, arguments)

    def reads_of(self, kernel: Kernel) -> list[Read]:
        """Every read and write of a kernel's maps, as loops over memory see it."""
        reads = [place for _, place in kernel.parts]
        reads += [read for value, _ in kernel.parts for read in self.all_reads(value)]
        if any(self.has_columns(value) for value, _ in kernel.parts):
            shape = kernel.parts[0][1].shape
            reads.append(Read(kernel.parts[0][0], shape, (*[0] * (len(shape) - 1), 1)))  # the number of a column is known
        return reads

    def assignments(self, kernel: Kernel, names: Names, index: Sequence[str]) -> list[str]:
        """All maps of a kernel at an index."""
        lines = []
        known: dict[int, str] = {}
        for i, (value, place) in enumerate(kernel.parts):  # names do not depend on ids: equal steps are equal sources
            ctype, name = "_Bool" if value.dtype == bool else ctype_of(value), f"t{i}"
            lines.append(f"const {ctype} {name} = {self.formula(value, index, names, known)};")
            known[value.id] = name
            if self.is_stored(value, place, kernel):
                lines.append(f"{names.item(self, place, index, written=True)} = {name};")
        return lines

    def has_columns(self, value: Value) -> bool:
        """Whether a map treats some columns in another way."""
        inner = [read.value for read in value.reads if read.value.id in self.schedule.inlined and read.value.op == "map"]
        return value.detail["fn"] == "columns" or any(map(self.has_columns, inner))

    def all_reads(self, value: Value) -> list[Read]:
        found = []
        for read in value.reads:
            if read.value.id not in self.schedule.inlined:
                found.append(read)
            elif read.value.op == "map":
                found += self.all_reads(read.value)
        return found


class Names:
    """The pointers of a kernel: one for each memory, so that the compiler knows that they never meet.

    A pointer is to the place that is used first: kernels that do the same elsewhere in memory are then equal.
    """

    def __init__(self) -> None:
        self.pointers: dict[str, tuple[str, str, int]] = {}
        self.written: set[str] = set()

    def item(self, code: Expressions, read: Read, index: Sequence[str], written: bool = False) -> str:
        """The number of a read at an index."""
        at = code.pointer(read.value)
        name, _, start = self.pointers.setdefault(at, (f"p{len(self.pointers)}", ctype_of(read.value), read.offset))
        if written:
            self.written.add(at)
        return f"{name}[{placed(read, index, start)}]"

    def each(self) -> dict[str, str]:
        """The declaration of each -> what it points to."""
        parts = self.pointers.items()
        return {
            f"{'' if at in self.written else 'const '}{t} *restrict {name}": f"{at} + {start}" if start else at
            for at, (name, t, start) in parts
        }


def merged(shape: Sequence[int], reads: Sequence[Read]) -> tuple[list[int], list[str]]:
    """Sizes of the loops, and the index of every axis: axes that all reads walk through as one are one loop."""
    axes = [[i] for i, n in enumerate(shape) if n != 1] or [[]]
    merged = [axes[0]]
    for axis in axes[1:]:
        i, j = merged[-1][-1], axis[0]
        if all(read.strides[i] == read.strides[j] * shape[j] for read in reads):
            merged[-1] = merged[-1] + axis
        else:
            merged.append(axis)
    index = ["0"] * len(shape)
    for k, group in enumerate(merged):
        if group:
            index[group[-1]] = f"i{k}"
    return [math.prod(shape[i] for i in group) for group in merged], index


def placed(read: Read, index: Sequence[str], start: int = 0) -> str:
    """Where a read is at an index, counted from a start."""
    steps = [(name, stride) for name, stride in read.steps if stride]
    along = [*zip(index, read.strides, strict=False), *steps]
    terms = [i if s == 1 else f"{i} * {s}" for i, s in along if s and i != "0"]
    offset = read.offset - start
    return " + ".join([*terms, str(offset)] if offset or not terms else terms)


def least_or_largest(fn: str, ctype: str) -> str:
    """What a reduction of no numbers gives."""
    least = {"int64_t": "INT64_MIN", "int32_t": "INT32_MIN", "uint8_t": "0"}.get(ctype, "-INFINITY")
    largest = {"int64_t": "INT64_MAX", "int32_t": "INT32_MAX", "uint8_t": "1"}.get(ctype, "INFINITY")
    return {"sum": "0", "max": least, "min": largest}[fn]
