"""From a schedule to CUDA C: turns of units that need no barrier between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from framework.training.compiled.cuda.kernels import CudaKernels
from framework.training.compiled.cuda.products import Products
from framework.training.compiled.cuda.turns import Code, Unit, everything, in_turns, span
from framework.training.compiled.functions import ctype_of
from framework.training.compiled.graph import Read, UntraceableError, Value, whole
from framework.training.compiled.loops import Loop
from framework.training.compiled.memory import Workspace
from framework.training.compiled.schedule import Kernel, Schedule

LARGEST = 2**31 - 1  # numbers of an array: an index is an int


@dataclass
class Turn:
    """What runs between two barriers, and the loops that follow it.

    Attributes:
        blocks: how many blocks can share it.
    """

    lines: list[str] = field(default_factory=list)
    blocks: int = 1
    loops: list[LoopTurns] = field(default_factory=list)


@dataclass
class LoopTurns:
    """A loop over time: the turns of one step."""

    loop: Loop
    turns: list[Turn]


class CudaEmitter(CudaKernels):
    """
    Args:
        outputs: name -> value; see `Schedule`.
        threads: of a block.
        before: units that are not kernels: rows of the batch, random numbers.
        parent: the emitter of what stands around a loop, for the loop's step.
        loop: that loop.

    Attributes:
        turns: of a step.
        declared: loop -> name -> the declaration of a pointer that its steps use.
    """

    storage = "static __device__ const"

    def __init__(
        self,
        outputs: Mapping[str, Value],
        threads: int,
        before: Sequence[Unit] = (),
        parent: CudaEmitter | None = None,
        loop: Loop | None = None,
    ) -> None:
        self.schedule, self.threads = Schedule(outputs, loop.is_given if loop else None), threads
        self.parent, self.ws = parent, f"ws_{loop.name}" if loop else "ws"
        self.products = parent.products if parent else Products(threads)
        self.constants = parent.constants if parent else {}
        self.scalars = parent.scalars if parent else {}
        self.declared: dict[str, dict[str, str]] = parent.declared if parent else {}
        self.workspace, self.operations, self.scratch = Workspace(), len(self.schedule.order), 0
        self.memory, self.starts = {}, {}
        if any(value.size > LARGEST for value in self.schedule.order):
            raise UntraceableError(f"an array of more than {LARGEST:,} numbers")
        self.outputs_in_place()
        units = [*before, *(unit for kernel in self.schedule.kernels for unit in self._units(kernel)), *self._copies()]
        self.turns = self._written(self._without_copies(in_turns(units)))

    def head(self) -> str:
        """What stands before the functions."""
        return "\n".join([*(text for _, text in self.constants.values()), self.products.code()])

    # ---- units

    def _root(self, value: Value) -> Value:
        return self.schedule.root[value.id]

    def _units(self, kernel: Kernel) -> list[Unit]:
        """A kernel with what it reads and writes; before a loop, the copies of its first state."""
        if kernel.op == "loop":
            loop: Loop = kernel.parts[0][0].detail["loop"]
            states = [part for part in kernel.parts if part[0].detail["part"] < len(loop.carries)]
            first = [Kernel([(Value("map", v.shape, v.dtype, (v.args[0],), {"fn": "id"}), at)]) for v, at in states]
            return [*(self._unit(each) for each in first), self._loop_unit(kernel, loop)]
        return [self._unit(kernel)]

    def _unit(self, kernel: Kernel) -> Unit:
        own = {value.id for value, _ in kernel.parts}
        reads = [read for value, _ in kernel.parts for read in self.schedule.leaves(value) if read.value.id not in own]
        writes = [place for value, place in kernel.parts if self.is_stored(value, place, kernel)]
        return Unit(*self._spans(reads, writes), lambda: self.kernel(kernel), self._needs([*reads, *writes]))

    def _loop_unit(self, kernel: Kernel, loop: Loop) -> Unit:
        reads = [read for value, _ in kernel.parts for read in self.schedule.leaves(value)]
        writes = [place for _, place in kernel.parts]
        needs, turns = self._needs([*reads, *writes]), lambda: LoopTurns(loop, self._step_of(kernel, loop))
        return Unit(*self._spans([*reads, *writes], writes), lambda: Code([]), needs, turns)

    def _spans(self, reads: Sequence[Read], writes: Sequence[Read]) -> tuple[Any, Any]:
        found = ([span(read, self._root(read.value)) for read in each] for each in (reads, writes))
        return tuple(found)  # type: ignore[return-value]

    def _needs(self, reads: Sequence[Read]) -> dict[int, Value]:
        return {root.id: root for root in (self._root(read.value) for read in reads)}

    def _copies(self) -> list[Unit]:
        """Outputs that do not lie where they are wanted."""
        units = []
        for name, value in self.schedule.outputs.items():
            root = self._root(value)
            if self.memory.get(root.id) == name or (root.op == "input" and root.detail["name"] == name):
                continue
            read = span(whole(value), root)

            def copy(name: str = name, value: Value = value) -> Code:
                return self._each_copied(name, value)

            units.append(Unit([read], [everything(name)], copy, {root.id: root}, copies=(name, root)))
        return units

    def _without_copies(self, turns: Sequence[Sequence[Unit]]) -> list[list[Unit]]:
        """A new state is computed in the memory of the old one, if all that reads the old one has an earlier turn."""
        kept = [list(units) for units in turns]
        for unit in [unit for units in turns for unit in units if unit.copies]:
            name, root = unit.copies or ("", None)
            if root is None or root.id in self.memory or self.schedule.is_given(root) or root.op in ("input", "loop"):
                continue
            read = [i for i, units in enumerate(kept) for each in units if each.reaches(name, writes=False)]
            written = [i for i, units in enumerate(kept) for each in units if each.reaches(root.id, writes=True)]
            if written and max(read, default=-1) < min(written):
                self.memory[root.id] = name
                kept = [[each for each in units if each is not unit] for units in kept]
        return [units for units in kept if units]

    def _each_copied(self, name: str, value: Value) -> Code:
        lines = [f"for (int i = at; i < {value.size}; i += every) {name}[i] = {self.pointer(value)}[i];"]
        return Code(lines, -(-value.size // self.threads))

    # ---- code

    def _written(self, turns: Sequence[Sequence[Unit]]) -> list[Turn]:
        """The code of all turns; memory is taken before the first turn that needs it and given back after the last."""
        last = {root: i for i, units in enumerate(turns) for unit in units for root in unit.needs}
        ends = {self._root(value).id for value in self.schedule.outputs.values()}
        found = []
        for i, units in enumerate(turns):
            needed = {root: value for unit in units for root, value in unit.needs.items()}
            for root, value in needed.items():
                self.take(root, value)
            turn = Turn()
            for unit in units:
                if unit.loop is not None:
                    turn.loops.append(unit.loop())
                    continue
                code = unit.write()
                turn.lines += code.lines
                turn.blocks = max(turn.blocks, code.blocks)
            found.append(turn)
            for root, value in needed.items():
                if last[root] == i and root not in ends:
                    self.give(root, value)
        return found

    def _step_of(self, kernel: Kernel, loop: Loop) -> list[Turn]:
        """The turns of one step of a loop, which overwrites its state."""
        own = self.declared.setdefault(loop.name, {})
        for value, _ in kernel.parts:
            part, at, ctype = value.detail["part"], self.pointer(value), ctype_of(value)
            place = at if part < len(loop.carries) else f"{at} + {loop.name} * {value.size // loop.n}"
            own[loop.output_name(part)] = f"{ctype} *{loop.output_name(part)} = {place};"
        parts = [value.detail["part"] for value, _ in kernel.parts]
        outputs = {loop.output_name(i): loop.outputs[i] for i in parts}
        inner = CudaEmitter(outputs, self.threads, parent=self, loop=loop)
        loop.schedule = inner.schedule
        self.operations, self.scratch = self.operations + inner.operations, max(self.scratch, inner.scratch)
        start = self.workspace.lend(inner.workspace.size)
        own[inner.ws] = f"char *{inner.ws} = {self.ws} + {start};"
        return inner.turns
