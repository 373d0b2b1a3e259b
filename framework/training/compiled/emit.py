"""From a schedule to C: loops with constant bounds over memory with a fixed layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from framework.training.compiled.cost import CACHE, CYCLES, cost
from framework.training.compiled.functions import PREAMBLE, ctype_of
from framework.training.compiled.graph import Read, Value
from framework.training.compiled.kernels import KernelCode
from framework.training.compiled.loops import Loop
from framework.training.compiled.memory import Workspace
from framework.training.compiled.products import Machine, Products, Shape, vector_types
from framework.training.compiled.row_code import group_code
from framework.training.compiled.rows import Group, Grouping
from framework.training.compiled.schedule import Kernel, Schedule
from framework.training.compiled.team import RUNTIME, WORTH, Parts, bounds, parts_of

COMMON = f"{PREAMBLE}\n{RUNTIME}"
TIMER = """
#include <time.h>
int64_t ticks[{n}];
static int64_t last;
static int64_t now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1000000000 + t.tv_nsec; }
static void tick(int i) { const int64_t t = now(); ticks[i] += t - last; last = now(); }
"""


@dataclass
class Operand:
    """What a time loop has packed before its first step: `source` -> memory from `start` on, called `name`."""

    name: str
    source: str
    shape: Shape
    start: int = 0


class Emitter(KernelCode):
    """
    Args:
        outputs: name -> value; see `Schedule`.
        machine: what products are made for.
        parent: the emitter of what stands around a loop, for the loop's step.
        loop: that loop.
        timed: whether the code adds up the time of each kernel, in nanoseconds, in `ticks`.

    Attributes:
        workspace: the memory that one call needs.
        body: the C that computes everything once.
        products, constants, scalars: what stands before it.
    """

    def __init__(
        self,
        outputs: Mapping[str, Value],
        machine: Machine,
        timed: bool = False,
        parent: Emitter | None = None,
        loop: Loop | None = None,
    ) -> None:
        self.schedule, self.timed = Schedule(outputs, loop.is_given if loop else None), timed
        self.parent, self.ws = parent, f"ws_{loop.name}" if loop else "ws"
        self.products: Products = parent.products if parent else Products(machine)
        self.constants: dict[int, tuple[str, str]] = parent.constants if parent else {}
        self.scalars: dict[str, str] = parent.scalars if parent else {}
        self.parts: Parts = parent.parts if parent else Parts()
        self.workspace, self.operations = Workspace(), len(self.schedule.order)
        self.operands: dict[tuple[Any, ...], Operand] = {}
        self.memory: dict[int, str] = {}
        self.starts: dict[int, int] = {}  # where a value's memory begins
        self.outputs_in_place()
        self.body = "\n".join([*self._kernels(), *self._copies()])

    def head(self) -> str:
        """What stands before the function."""
        constants = (text for _, text in self.constants.values())
        timer = [TIMER.replace("{n}", str(len(self.schedule.kernels)))] if self.timed else []
        types = vector_types(self.products.machine)
        return "\n".join([COMMON, *timer, types, self.products.code(), *constants, self.parts.code()])

    def code(self) -> str:
        """What computes everything once; it reads inputs, the numbers of scalars, `ws` and `team` by their names."""
        scalars = [f"const double {name} = {code};" for code, name in self.scalars.items()]
        return "\n".join([*scalars, *(["last = now();"] if self.timed else []), self.body])

    # ---- memory

    def _kernels(self) -> list[str]:
        """The code of every kernel, memory taken before its first and given back after its last use."""
        schedule = self.schedule
        units = Grouping(schedule, self._seconds, WORTH, self.products.machine.bytes // 4).groups()
        schedule.together = [unit.kernels for unit in units if isinstance(unit, Group)]
        schedule.kernels = [kernel for unit in units for kernel in (unit.kernels if isinstance(unit, Group) else [unit])]
        needed = [self._roots(unit) for unit in units]
        last = {root: i for i, roots in enumerate(needed) for root in roots}
        ends = {schedule.root[value.id].id for value in schedule.outputs.values()}
        lines: list[str] = []
        for i, unit in enumerate(units):
            for root, value in needed[i].items():
                self.take(root, value)
            lines += self._unit(unit)
            for root, value in needed[i].items():
                if last[root] == i and root not in ends:
                    self.give(root, value)
        return lines

    def _unit(self, unit: Kernel | Group) -> list[str]:
        """The code of a kernel, or of several that run row by row."""
        if isinstance(unit, Group):
            lines, kernel = group_code(self, unit), unit.kernels[0]
        else:
            lines, kernel = self._time_loop(unit) if unit.op == "loop" else self.kernel(unit), unit
        number = next(i for i, other in enumerate(self.schedule.kernels) if other is kernel)
        return [*lines, f"tick({number});"] if self.timed else lines

    def _seconds(self, kernel: Kernel) -> float:
        return cost(kernel, self.schedule, self.products.machine).seconds

    def _roots(self, unit: Kernel | Group) -> dict[int, Value]:
        """The values whose memory a kernel or a group uses."""
        if isinstance(unit, Group):
            every = [item for kernel in unit.kernels for item in self._roots(kernel).items()]
            return {root: value for root, value in every if root not in unit.local}
        kernel = unit
        here = {value.id for value, place in kernel.parts if not self.is_stored(value, place, kernel)}
        used = [read.value for value, _ in kernel.parts for read in self.schedule.leaves(value) if read.value.id not in here]
        used += [place.value for value, place in kernel.parts if value.id not in here]
        roots = [self.schedule.root[value.id] for value in used]
        return {root.id: root for root in roots}

    def packed(self, b: Read, shape: Shape) -> str:
        """Where an operand lies packed since before this time loop: no step changes it, so that none needs to pack it."""
        if not (self.parent and self.schedule.is_given(b.value) and not b.steps and self.products.packs(shape)):
            return ""
        source = f"{self.pointer(b.value)} + {b.offset}"
        name = f"packed_{self.ws}_{len(self.operands)}"
        return self.operands.setdefault((source, shape.b, shape.k, shape.n), Operand(name, source, shape)).name

    def _copies(self) -> list[str]:
        """Outputs that do not lie where they are wanted."""
        lines = []
        for name, value in self.schedule.outputs.items():
            if (at := self.pointer(value)) != name:
                lines.append(f"memcpy({name}, {at}, {value.size * value.dtype.itemsize});")
        return lines

    def _time_loop(self, kernel: Kernel) -> list[str]:
        """A loop over time: the state is copied to its memory, and every step overwrites it."""
        loop: Loop = kernel.parts[0][0].detail["loop"]
        states, steps, t = [], [], loop.name
        for value, place in kernel.parts:
            part, at, ctype = value.detail["part"], self.pointer(value), ctype_of(value)
            if part < len(loop.carries):
                states += [
                    *self.loop(Kernel([(_first(value), place)])),
                    f"{ctype} *{loop.output_name(part)} = {at};",
                ]
            else:
                steps.append(f"{ctype} *{loop.output_name(part)} = {at} + {t} * {value.size // loop.n};")
        parts = [value.detail["part"] for value, _ in kernel.parts]
        inner = Emitter({loop.output_name(i): loop.outputs[i] for i in parts}, self.products.machine, parent=self, loop=loop)
        loop.schedule = inner.schedule
        self.operations += inner.operations
        packed = [line for operand in inner.operands.values() for line in self._pack(operand)]
        start = self.workspace.lend(inner.workspace.size)
        for operand in inner.operands.values():
            self.workspace.give(operand.start, self.products.bytes_packed(operand.shape))
        order = f"int64_t {t} = {loop.n - 1}; {t} >= 0; {t}--" if loop.reverse else f"int64_t {t} = 0; {t} < {loop.n}; {t}++"
        head = [f"{{ char *{inner.ws} = {self.ws} + {start};", *states, *packed, f"for ({order}) {{", *steps]
        return [*head, inner.body, "} }"]

    def _pack(self, operand: Operand) -> list[str]:
        """Pack an operand for all steps of a loop."""
        size, T = self.products.bytes_packed(operand.shape), operand.shape.ctype
        operand.start = self.workspace.take(size)
        strips, lines = self.products.packing(operand.shape)
        count, _, limits = bounds(strips, parts_of(2 * size / CACHE / CYCLES))
        pointers = {f"const {T} *restrict S": operand.source, f"{T} *restrict P": operand.name}
        head = f"{T} *{operand.name} = ({T} *)({self.ws} + {operand.start});"
        if count > 1:
            return [head, self.parts.shared(pointers, [limits, *lines], count)]
        return [head, self.parts.alone(pointers, [f"const int64_t from = 0, to = {strips};", *lines])]


def _first(value: Value) -> Value:
    """A copy of the state before the first step."""
    return Value("map", value.shape, value.dtype, (value.args[0],), {"fn": "id"})
