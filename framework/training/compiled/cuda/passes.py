"""A training step as CUDA C: all replicas of a stack take many steps in one launch, or share a launch for each turn."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from framework.core.arrays import Array
from framework.data.loader import DataLoader
from framework.training.compiled.build import NoCompilerError
from framework.training.compiled.cuda.choice import Gpu, takes_whole_steps
from framework.training.compiled.cuda.emit import CudaEmitter
from framework.training.compiled.cuda.program import NAME, Launch, Program, Repeat
from framework.training.compiled.cuda.source import PHILOX, PREAMBLE
from framework.training.compiled.cuda.turns import Code, Unit, everything
from framework.training.compiled.functions import CTYPES
from framework.training.compiled.graph import UntraceableError, Value
from framework.training.compiled.memory import aligned
from framework.training.compiled.passes import EvaluationPass, Kind, Measures, StepPass, TracedPass
from framework.training.compiled.traced import Draw, c_name
from framework.training.learner import Learner
from framework.training.step import TrainState

OPTIONS = ("--std=c++14",)


class CudaPass(TracedPass):
    """A pass as CUDA C.

    Attributes:
        gpu: what it is made for.
        text: the source.
        plan: what is launched for one step; empty where one launch takes many steps.
    """

    gpu: Gpu

    def emit(self, outputs: Mapping[str, Value], timed: bool) -> None:
        """Make the source."""
        emitter = CudaEmitter(outputs, self.gpu.threads, list(self._before()))
        self.check_size(emitter.operations)
        self.place_inputs(emitter.workspace.size)
        head = emitter.head()  # the code of products says how much memory they share
        scratch = max(emitter.scratch, emitter.products.scratch)
        scalars = {name: f"const double {name} = {code};" for code, name in emitter.scalars.items()}
        own = {**self._of_step(), **scalars}
        program = Program(self._base(), own, emitter.declared, emitter.turns, self.workspace, scratch, self.gpu.threads)
        program.fast = self.workspace + scratch <= self.gpu.shared
        pieces, plan = program.pieces()
        self.plan: tuple[Launch | Repeat, ...] = plan
        if takes_whole_steps(emitter.schedule, plan, self.gpu):
            pieces, self.plan = program.whole(), ()
        self.memory_size = 0 if program.fast and not self.plan else self.workspace
        draws = [PHILOX] if any(draw.is_uniform for draw in self.draws) else []
        self.text = "\n".join([PREAMBLE, *draws, head, pieces])

    @cached_property
    def library(self) -> Any:
        """The compiled module.

        Raises:
            NoCompilerError: it cannot be compiled or loaded.
        """
        try:
            module = self.gpu.xp.RawModule(code=self.text, options=OPTIONS)
            self.functions = {name: module.get_function(name) for name in (self.names(self.plan) if self.plan else ["run"])}
        except Exception as error:  # of classes that only an imported CuPy has
            lines = [line for line in str(error).splitlines() if "error" in line] or str(error).splitlines() or [""]
            raise NoCompilerError(f"the GPU's compiler failed: {lines[0].strip()[:200]}") from error
        return module

    def names(self, parts: Sequence[Launch | Repeat]) -> Iterator[str]:
        """The names of all kernels."""
        for part in parts:
            if isinstance(part, Repeat):
                yield from self.names(part.parts)
            else:
                yield part.name

    def call(self, steps: int, first: int, arrays: Sequence[Array], replicas: int, memory: Array) -> None:
        """Take steps for all replicas.

        Args:
            arrays: in the order of `_arrays`, with a first axis of replicas, or of length 1 where all have the same.
            memory: at least `memory_size` bytes for each replica.
        """
        if not self.library:
            return
        table = [(a.data.ptr, a.strides[0] if len(a) > 1 else 0) for a in arrays]
        given = (self.gpu.xp.asarray(np.array(table, np.int64)), memory)
        if not self.plan:
            self._launch("run", (replicas, 1), (*given, steps, first))
        for step in range(steps) if self.plan else ():
            self._follow(self.plan, replicas, (*given, step, first))

    def _follow(self, parts: Sequence[Launch | Repeat], replicas: int, given: tuple[Any, ...]) -> None:
        """Launch what a step consists of."""
        for part in parts:
            if isinstance(part, Launch):
                self._launch(part.name, (replicas, part.blocks), given)
                continue
            for t in reversed(range(part.n)) if part.reverse else range(part.n):
                self._follow(part.parts, replicas, (*given, t))

    def _launch(self, name: str, grid: tuple[int, int], given: tuple[Any, ...]) -> None:
        table, memory, *numbers = given
        self.functions[name](grid, (self.gpu.threads,), (table, memory, *map(np.int64, numbers)))

    # ---- the source

    def _arrays(self) -> Iterator[tuple[str, str]]:
        """The type and the name of every array that a call is given."""
        T = CTYPES[str(self.dtype)]
        yield from (("const int", "rows"), ("const int64_t", "starts"), ("const double", "given_rates"))
        yield from (("const double", "opt"), ("const double", "given_numbers"), ("const uint64_t", "keys"), (T, "w"))
        yield from ((ctype, c_name("s", name)) for name, ctype in self.slots.items())
        yield from ((T, c_name("h", name)) for name in self.carried)
        yield from ((f"const {CTYPES[str(a.dtype)]}", c_name("all_x", name)) for name, a in self.arrays.items())
        yield T, "out"
        yield from ((CTYPES[str(dtype)], c_name("all_c", name)) for name, (_, dtype) in self.counts.items())
        yield from (("const float", f"drawn{i}") for i, draw in enumerate(self.draws) if not draw.is_uniform)
        yield from ((f"const {CTYPES[str(self.dtypes[name])]}", c_name("given", name)) for name in self.handed)

    def _base(self) -> dict[str, str]:
        found = {}
        for i, (ctype, name) in enumerate(self._arrays()):
            found[name] = f"{ctype} *{name} = ({ctype} *)(table[{i}].start + r * table[{i}].stride);"
        return found

    def _of_step(self) -> dict[str, str]:
        """What one step reads and writes of what is there for all."""
        found = {
            "rates": f"const double *rates = given_rates + step * {self.rates};",
            "lr": "const double lr = rates[0];",
            "number": f"const double number = (double)({self.number});",
            "row": f"{CTYPES[str(self.dtype)]} *row = out + step * {self.columns};",
        }
        for i, name in enumerate(self.counters):
            at = f"given_numbers[step * {len(self.counters)} + {i}]"
            found[c_name("n", name)] = f"const double {c_name('n', name)} = {at};"
        for name, (shape, dtype) in self.counts.items():
            count, ctype = c_name("c", name), CTYPES[str(dtype)]
            found[count] = f"{ctype} *{count} = {c_name('all_c', name)} + step * {prod(shape)};"
        return found | self._fields() | self._draws()

    def _fields(self) -> dict[str, str]:
        found, at = {}, self.fields_at
        for name in self.arrays:
            field, ctype = c_name("x", name), CTYPES[str(self.dtypes[name])]
            if name in self.handed:
                size = prod(self.shapes[name])
                found[field] = f"const {ctype} *{field} = {c_name('given', name)} + step * {size};"
                continue
            found[field] = f"{ctype} *{field} = ({ctype} *)(ws + {at});"
            at += aligned(self.bytes_of(name))
        return found

    def _draws(self) -> dict[str, str]:
        found, at = {}, self.draws_at
        for i, draw in enumerate(self.draws):
            if draw.is_uniform:
                found[f"u{i}"] = f"float *u{i} = (float *)(ws + {at});"
                at += aligned(4 * draw.size)
            else:
                found[f"u{i}"] = f"const float *u{i} = drawn{i} + step * {draw.size};"
        return found

    def _before(self) -> Iterator[Unit]:
        """The rows of the batch, and its random numbers."""
        for name in self.arrays:
            if name not in self.handed:
                yield Unit([], [everything(c_name("x", name))], lambda name=name: self._gathered(name))  # type: ignore[misc]
        for i, draw in enumerate(self.draws):
            if draw.is_uniform:
                yield Unit([], [everything(f"u{i}")], lambda i=i, draw=draw: self._drawn(i, draw))  # type: ignore[misc]

    def _gathered(self, name: str) -> Code:
        """The rows of a batch, side by side; sequences turned to (T, N, ...)."""
        a, field, source = self.arrays[name], c_name("x", name), c_name("all_x", name)
        size = prod(a.shape[2:])
        if name in self.turned:
            steps, part = self.shapes[name][1], size // a.shape[2]
            total, inner = steps * self.n * part, f"(starts[step] + i / {self.n * part}) * {part} + i % {part}"
            row = f"i / {part} % {self.n}"
        else:
            total, row, inner = self.n * size, f"i / {size}", f"i % {size}"
        lines = [
            f"for (int i = at; i < {total}; i += every)",
            f"{field}[i] = {source}[(int64_t)rows[step * {self.n} + {row}] * {size} + {inner}];",
        ]
        return Code(lines if size else [], -(-total // self.gpu.threads))

    def _drawn(self, i: int, draw: Draw) -> Code:
        """Uniform random numbers: eight for each thread at a time."""
        each, times = prod(draw.shape), draw.times or 1
        pieces = -(-each // 8)
        which = f"{draw.which}ull + ((uint64_t)(i / {max(1, pieces)}) << 44)"
        lines = [
            f"for (int i = at; i < {pieces * times}; i += every) {{",
            f"const int piece = i % {max(1, pieces)}, left = {each} - piece * 8;",
            f"draw8(u{i} + i / {max(1, pieces)} * {each} + piece * 8, left < 8 ? left : 8, piece, keys + {2 * i},",
            f"{which}, (uint64_t)(first + step)); }}",
        ]
        return Code(lines, -(-pieces * times // self.gpu.threads))


class CudaStep(CudaPass, StepPass):
    """Steps of training, as CUDA C."""

    def __init__(
        self,
        gpu: Gpu,
        s: TrainState,
        columns: int,
        measures: Measures,
        kind: Kind,
        carried: Mapping[str, tuple[int, ...]],
    ) -> None:
        self.gpu = gpu
        super().__init__(s, columns, measures, kind, carried)
        self.names_of_counts = {name: c_name("n", name) for name in self.counters}
        for name, code in self.counters.items():
            if others := set(NAME.findall(code)) - {*self.names_of_counts.values(), "number", "pow"}:
                raise UntraceableError(f"the optimizer's count '{name}' depends on {', '.join(sorted(others))}")

    def counted_on(self, now: Mapping[str, float], number: int) -> dict[str, float]:
        """The counts of the optimizer's state after a step: their code is arithmetic, in C as in Python."""
        names = {self.names_of_counts[name]: value for name, value in now.items()} | {"number": number, "pow": math.pow}
        return {name: float(eval(code, {"__builtins__": {}}, names)) for name, code in self.counters.items()}


class CudaEvaluation(CudaPass, EvaluationPass):
    """Loss and metrics of batches of a split, as CUDA C."""

    def __init__(self, gpu: Gpu, s: TrainState, learner: Learner, feed: DataLoader, n: int) -> None:
        self.gpu = gpu
        super().__init__(s, learner, feed, n)
