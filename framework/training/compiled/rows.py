"""Which kernels run row by row, as one: what a row needs then stays in registers.

A network with one output does little more in a step than a few loops over the same rows: the examples of a batch. A kernel
joins such a group if its row i needs only row i of what the group computes, or if it adds up the rows.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import NamedTuple

from framework.training.compiled.graph import Read, Value
from framework.training.compiled.schedule import Kernel, Schedule

FEWEST = 4  # rows
WIDEST = 512  # numbers of a row, and of what the rows are added up to
FEW = 4  # numbers of a row, of which products are made
PAST = 12  # kernels that are left out while a group is looked for
COSTLY = ("exp", "log", "tanh", "div", "sqrt", "pow")  # of a few numbers they are dearer than of a whole vector


Place = tuple[int, float, float]  # a root, the first and the last number


class Group(NamedTuple):
    """Kernels that run row by row.

    Attributes:
        kernels: in order.
        rows: how many rows.
        axes: for each kernel its axis of rows; None where a product adds up the rows.
        local: value that only the group reads -> how many numbers a row of it has.
        sums: values whose rows are added up.
    """

    kernels: tuple[Kernel, ...]
    rows: int
    axes: tuple[int | None, ...]
    local: dict[int, int]
    sums: frozenset[int]


def row_axis(shape: Sequence[int], rows: int) -> int | None:
    """The first axis that is longer than 1, if it is the rows."""
    axis = next((i for i, n in enumerate(shape) if n != 1), None)
    return axis if axis is not None and shape[axis] == rows else None


class Grouping:
    """Puts the kernels of a schedule into groups; what cannot be part of one stays alone.

    Args:
        seconds: kernel -> the time that it should take.
        most: seconds that a group may take: threads share what takes longer.
        lanes: numbers of a vector.
    """

    def __init__(self, schedule: Schedule, seconds: Callable[[Kernel], float], most: float, lanes: int) -> None:
        self.schedule, self.most, self.lanes = schedule, most, lanes
        # A kernel is looked at from many beginnings, but costs and reads the same.
        self.seconds, self.places = functools.cache(seconds), functools.cache(self._places)

    def groups(self) -> list[Kernel | Group]:
        """The kernels in a new order: those of a group at the place of its first."""
        remaining, found = list(self.schedule.kernels), list[Kernel | Group]()
        while remaining:
            rows = self._rows(remaining[0])
            growing = _Growing(self.schedule, rows, self.lanes) if rows >= FEWEST else None
            others = self._grow(growing, remaining) if growing else remaining
            if growing and growing.is_worth_it:
                found.append(growing.group())
                remaining = others
            else:
                found.append(remaining.pop(0))
        return found

    def _grow(self, growing: _Growing, kernels: Sequence[Kernel]) -> list[Kernel]:
        """Take kernels into a group; returns the others."""
        time, others, seen = 0.0, list[Kernel](), 0
        for kernel in kernels:
            if len(others) > PAST or kernel.op == "loop" or (others and not growing.kernels):
                break
            seen += 1
            own = self.seconds(kernel)
            if time + own < self.most and self._is_clear(kernel, others) and growing.takes(kernel):
                time += own
            else:
                others.append(kernel)
        return others + list(kernels[seen:])

    def _is_clear(self, kernel: Kernel, others: Sequence[Kernel]) -> bool:
        """Whether a kernel may run before others that come first."""
        read, written = self.places(kernel)
        for other in others:
            before, after = self.places(other)
            if _meet(read, after) or _meet(written, [*before, *after]):
                return False
        return True

    def _places(self, kernel: Kernel) -> tuple[list[Place], list[Place]]:
        """The memory that a kernel reads, and that it writes."""
        root = self.schedule.root
        read = [(root[leaf.value.id].id, *leaf.span) for part, _ in kernel.parts for leaf in self.schedule.leaves(part)]
        return read, [(root[to.value.id].id, *to.span) for _, to in kernel.parts]

    def _rows(self, kernel: Kernel) -> int:
        """How many rows a group has that begins with a kernel."""
        value, place = kernel.parts[0]
        shape = value.args[0].shape if value.op == "reduce" else place.shape
        return next((n for n in shape if n != 1), 1) if value.op in ("map", "reduce", "matmul") else 0


def _meet(some: Sequence[Place], others: Sequence[Place]) -> bool:
    """Whether some memory may be the same."""
    return any(a == b and first <= end and start <= last for a, first, last in some for b, start, end in others)


class _Growing:
    """A group that takes one kernel after the other."""

    def __init__(self, schedule: Schedule, rows: int, lanes: int) -> None:
        self.schedule, self.rows, self.lanes = schedule, rows, lanes
        self.kernels: list[Kernel] = []
        self.axes: list[int | None] = []
        self.made: dict[int, int] = {}  # value -> numbers of a row
        self.sums: set[int] = set()
        self.read: set[int] = set()  # memory that is read, of what the group does not compute
        self.written: set[int] = set()  # memory that every row writes
        self.summed: set[int] = set()  # memory that is written when all rows are added up

    def takes(self, kernel: Kernel) -> bool:
        """Take a kernel, if it can be part of the group."""
        found = self._role(kernel)
        if found is None:
            return False
        axis, is_sum = found
        self.kernels.append(kernel)
        self.axes.append(axis)
        own = {value.id for value, _ in kernel.parts}
        for value, place in kernel.parts:
            if is_sum:
                self.sums.add(value.id)
            elif place.value is value:
                self.made[value.id] = value.size // self.rows
            (self.summed if is_sum else self.written).add(self.schedule.root[place.value.id].id)
        for value, _ in kernel.parts:
            leaves = [read.value for read in self.schedule.leaves(value)]
            self.read |= {self.schedule.root[v.id].id for v in leaves if v.id not in self.made and v.id not in own}
        return True

    @property
    def is_worth_it(self) -> bool:
        """Whether there are several kernels, and rows that fill a vector: otherwise vectors take several rows at a time."""
        return len(self.kernels) > 2 and max(self.made.values(), default=0) >= self.lanes

    def group(self) -> Group:
        """The finished group."""
        members = {v.id for kernel in self.kernels for value, place in kernel.parts for v in (value, place.value)}
        local = {i: size for i, size in self.made.items() if self._is_local(i, members)}
        return Group(tuple(self.kernels), self.rows, tuple(self.axes), local, frozenset(self.sums))

    def _is_local(self, value: int, members: set[int]) -> bool:
        return value not in self.schedule.ends and all(user.id in members for user in self._users(value))

    def _users(self, value: int) -> Iterator[Value]:
        """What reads a value, past what is computed where it is read."""
        for user, _ in self.schedule.uses[value]:
            if user.id in self.schedule.inlined:
                yield from self._users(user.id)
            else:
                yield user

    def _role(self, kernel: Kernel) -> tuple[int | None, bool] | None:
        """The axis of the rows, and whether they are added up; None if the kernel does not fit."""
        roots = {self.schedule.root[to.value.id].id for _, to in kernel.parts}
        if roots & (self.read | self.written):
            return None
        found = self._fit(kernel)
        return None if found and not found[1] and roots & self.summed else found

    def _fit(self, kernel: Kernel) -> tuple[int | None, bool] | None:
        value, place = kernel.parts[0]
        if value.op in ("map", "fill"):
            axis = row_axis(place.shape, self.rows)
            fits = axis is not None and self._maps(kernel, axis)
            return (axis, False) if fits else None
        if value.op == "reduce":
            return self._reduces(value, place)
        return self._multiplies(value, place) if value.op == "matmul" else None

    def _maps(self, kernel: Kernel, axis: int) -> bool:
        own = {value.id for value, _ in kernel.parts}
        for value, place in kernel.parts:
            if place.value is not value or self.schedule.root[value.id] is not value or not self._is_apt(value, value.size):
                return False
            for read in self.schedule.leaves(value):
                if not (read.value.id in own and read.is_whole and read.shape == place.shape) and not self._reads(
                    read, axis
                ):
                    return False
        return True

    def _is_apt(self, value: Value, size: int) -> bool:
        """Whether vectors fit into a row of so many numbers, or it is a single one that is cheap to compute."""
        row = size // self.rows
        fits = row % self.lanes == 0 or (row == 1 and not any(fn in COSTLY for fn in self._functions(value)))
        return fits and row <= WIDEST

    def _functions(self, value: Value) -> Iterator[str]:
        by_number = value.op == "map" and not isinstance(value.args[-1], Read)  # compilers multiply then
        yield "" if by_number else str(value.detail.get("fn", ""))
        for read in value.reads:
            if read.value.id in self.schedule.inlined and read.value.op == "map":
                yield from self._functions(read.value)

    def _reads(self, read: Read, axis: int) -> bool:
        """Whether row i of the reader needs row i only, of what the group computes."""
        value, rank = read.value, len(read.shape)
        if value.id not in self.made:
            return self.schedule.root[value.id].id not in self.written | self.summed
        rest = [(n, s) for k, (n, s) in enumerate(zip(read.shape, read.strides, strict=True)) if k != axis % rank]
        last = read.offset + sum((n - 1) * s for n, s in rest)
        size = self.made[value.id]
        return (
            not read.steps
            and read.strides[axis] == size
            and all(s >= 0 for _, s in rest)
            and read.offset >= 0
            and last < size
        )

    def _reduces(self, value: Value, place: Read) -> tuple[int | None, bool] | None:
        read, axes = value.args[0], value.detail["axes"]
        axis = row_axis(read.shape, self.rows)
        if axis is None or not all(self._reads(leaf, axis) for leaf in self.schedule.leaves(value)):
            return None
        if not self._is_apt(value, prod(read.shape)):
            return None
        if axis in axes:
            return (axis, True) if value.detail["fn"] == "sum" and value.size <= WIDEST else None
        own = place.value is value and self.schedule.root[value.id] is value
        return (axis, False) if own else None

    def _multiplies(self, value: Value, place: Read) -> tuple[int | None, bool] | None:
        """A product with a vector, or with few of them: of every row, or of the columns."""
        a, b = value.args
        (m, n), k = value.shape[-2:], a.shape[-1]
        if value.size != m * n or max(m, n, k) > max(WIDEST, self.rows):
            return None
        own = place.value is value and self.schedule.root[value.id] is value
        apart = b.value.id not in self.made and self.schedule.root[b.value.id].id not in self.written | self.summed
        few = min(m, n, k) <= FEW and n % self.lanes == 0
        if m == self.rows and (n == 1 or (few and k <= FEW)) and own and apart and self._reads(a, -2):
            return len(value.shape) - 2, False
        if k == self.rows and (1 in (m, n) or (few and m <= FEW)) and self._reads(a, -1) and self._reads(b, -2):
            return None, True
        return None
