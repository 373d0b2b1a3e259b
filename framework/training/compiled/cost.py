"""What a kernel costs: operations, bytes, and the time that they should take."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

from framework.training.compiled.graph import Read, Value
from framework.training.compiled.products import Machine
from framework.training.compiled.schedule import Kernel, Schedule

CYCLES = 3e9  # per second, of a processor of these years
CALL = 20e-9  # seconds that a loop takes to begin
PRODUCT = 0.6  # of the operations that a product could do in a cycle: 2 multiply-adds for each number of a vector
CACHE, MEMORY = 32.0, 5.0  # bytes per cycle, from the second-level cache and from memory
LARGE = 1 << 20  # bytes of one array that no longer lies in that cache
WEIGHTS = {"id": 0.5, "div": 4, "sqrt": 4, "exp": 16, "log": 20, "tanh": 30}  # of one operation on a vector
BY_NUMBER = ("log1p", "expm1", "sin", "cos", "pow")  # functions of the C library, which the compiler does not vectorise
LIBRARY = 60  # cycles for one number


class Cost(NamedTuple):
    """Operations on numbers, bytes read and written, and seconds by the constants above."""

    flops: int
    bytes: int
    seconds: float


def cost(kernel: Kernel, schedule: Schedule, machine: Machine) -> Cost:
    """The cost of a kernel, a loop's with all of its steps."""
    if kernel.op == "loop":
        loop = kernel.parts[0][0].detail["loop"]
        return times(loop.n, [cost(part, loop.schedule, machine) for part in loop.schedule.kernels])
    lanes = machine.bytes / kernel.parts[0][0].dtype.itemsize
    moved = _moved(kernel, schedule)
    data = sum(size / (MEMORY if size > LARGE else CACHE) for size in moved)
    if kernel.op == "matmul":
        value = kernel.parts[0][0]
        flops = 2 * value.size * value.args[0].shape[-1]
        cycles = flops / (4 * lanes * PRODUCT)
    else:
        work = [each for value, _ in kernel.parts for each in _work(value, schedule)]
        flops = sum(n for n, fn in work if fn != "id")
        cycles = sum(n * (LIBRARY if fn in BY_NUMBER else WEIGHTS.get(fn, 1) / lanes) for n, fn in work)
    return Cost(flops, sum(moved), CALL + max(cycles, data) / CYCLES)


def times(n: int, costs: Sequence[Cost]) -> Cost:
    """Several costs, n times."""
    flops, moved, seconds = zip(*costs, strict=True) if costs else ((), (), ())
    return Cost(n * sum(flops), n * sum(moved), n * sum(seconds))


def _work(value: Value, schedule: Schedule) -> list[tuple[int, str]]:
    """How often each function is computed for a value, with what is computed where it is read."""
    own = prod(value.args[0].shape) if value.op in ("reduce", "argmax") else value.size
    found = [(own, str(value.detail.get("fn", "id")))]
    for read in value.reads:
        if read.value.id in schedule.inlined and read.value.op == "map":
            found += [(max(own, n), fn) for n, fn in _work(read.value, schedule)]
    return found


def _moved(kernel: Kernel, schedule: Schedule) -> list[int]:
    """Bytes of every array that is read or written, each counted once."""
    here = {value.id for value, _ in kernel.parts}
    reads = [read for value, _ in kernel.parts for read in schedule.leaves(value) if read.value.id not in here]
    places = {(schedule.root[r.value.id].id, r.shape, r.strides, r.offset): r for r in reads}
    return [_size(read) for read in places.values()] + [_size(place) for _, place in kernel.parts]


def _size(read: Read) -> int:
    """Bytes of the numbers that are read, repeated ones once."""
    return prod(n for n, s in zip(read.shape, read.strides, strict=True) if s) * read.value.dtype.itemsize
