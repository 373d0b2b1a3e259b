"""A training step as C for the CPU: each replica of a stack takes many steps in one call."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from math import prod

import numpy as np

from framework.training.compiled.build import load, machine
from framework.training.compiled.emit import Emitter
from framework.training.compiled.functions import CTYPES
from framework.training.compiled.graph import Value
from framework.training.compiled.memory import aligned
from framework.training.compiled.passes import EvaluationPass, StepPass, TracedPass
from framework.training.compiled.philox import PHILOX
from framework.training.compiled.traced import c_name


class CompiledPass(TracedPass):
    """A pass as C, for one replica.

    Attributes:
        schedule: of its kernels.
        text: the C.
        is_shared: whether threads may share its work.
    """

    @cached_property
    def library(self) -> ctypes.CDLL:
        """The compiled functions; they are compiled or loaded when they are first needed.

        Raises:
            NoCompilerError: that is not possible.
        """
        library = load(self.text)
        library.run.restype = library.run_all.restype = None
        return library

    def emit(self, outputs: Mapping[str, Value], timed: bool) -> None:
        """Make the C."""
        emitter = Emitter(outputs, machine(), timed)
        self.schedule = emitter.schedule
        self.check_size(emitter.operations)
        self.place_inputs(emitter.workspace.size)
        self.text, self.is_shared = self._source(emitter), bool(emitter.parts.parts)

    def call(self, steps: int, first: int, arrays: Sequence[np.ndarray], team: np.ndarray | None) -> None:
        """Take steps; `first` is the number of the first of them. The order of the arrays is that of `_source`.

        team: memory through which further threads take parts of the work; see `help`.
        """
        at = [ctypes.c_void_p(None if a is None else a.ctypes.data) for a in (*arrays, team)]
        self.library.run(ctypes.c_int64(steps), ctypes.c_int64(first), *at)

    def call_all(
        self,
        steps: int,
        first: int,
        turn: np.ndarray,
        arrays: Sequence[np.ndarray],
        memory: np.ndarray,
        team: np.ndarray | None,
    ) -> None:
        """Take steps for one replica after the other.

        Args:
            turn: the next replica, and how many there are; all threads count there.
            arrays: as for `call`, with a first axis of replicas, or of length 1 where all have the same.
        """
        table = np.array([(a.ctypes.data, a.strides[0] if len(a) > 1 else 0) for a in arrays], np.int64)
        at = [ctypes.c_void_p(None if a is None else a.ctypes.data) for a in (turn, table, memory, team)]
        self.library.run_all(ctypes.c_int64(steps), ctypes.c_int64(first), *at)

    def help(self, team: np.ndarray) -> None:
        """Take parts of the work of another thread until it dismisses the team."""
        self.library.help(ctypes.c_void_p(team.ctypes.data))

    def dismiss(self, team: np.ndarray) -> None:
        """End the help of all threads."""
        self.library.dismiss(ctypes.c_void_p(team.ctypes.data))

    def _source(self, emitter: Emitter) -> str:
        """The file: a function that takes steps one after the other for one replica."""
        T = CTYPES[str(self.dtype)]
        parts = [
            "int64_t steps",
            "int64_t first",
            "const int64_t *rows",
            "const int64_t *starts",
            "const double *given_rates",
        ]
        parts += ["const double *opt", "double *numbers", "const uint64_t *keys", f"{T} *w"]
        parts += [f"{ctype} *{c_name('s', name)}" for name, ctype in self.slots.items()] + [
            f"{T} *{c_name('h', name)}" for name in self.carried
        ]
        parts += [f"const {CTYPES[str(a.dtype)]} *{c_name('all_x', name)}" for name, a in self.arrays.items()]
        parts += [
            f"{T} *out",
            *(f"{CTYPES[str(dtype)]} *{c_name('all_c', name)}" for name, (_, dtype) in self.counts.items()),
        ]
        parts += [f"const float *drawn{i}" for i, draw in enumerate(self.draws) if not draw.is_uniform]
        parts += [f"const {CTYPES[str(self.dtypes[name])]} *{c_name('given', name)}" for name in self.handed]
        parts += ["char *ws", "struct team *team"]
        lines = list(self._drawn())
        lines += [f"const double *rates = given_rates + step * {self.rates}, lr = rates[0];"]
        lines += [f"const double number = (double)({self.number}); {T} *row = out + step * {self.columns};"]
        lines += [f"const double {c_name('n', name)} = numbers[{i}];" for i, name in enumerate(self.counters)]
        for name, (shape, dtype) in self.counts.items():
            lines.append(f"{CTYPES[str(dtype)]} *{c_name('c', name)} = {c_name('all_c', name)} + step * {prod(shape)};")
        lines += self._fields()
        lines += [emitter.code(), *(f"numbers[{i}] = {code};" for i, code in enumerate(self.counters.values()))]
        loop = ["for (int64_t step = 0; step < steps; step++) {", *lines, "}"]
        draws = [PHILOX] if any(draw.is_uniform for draw in self.draws) else []
        run = [f"void run({', '.join(parts)}) {{", *loop, "}"]
        return "\n".join([emitter.head(), *draws, *run, *_for_all(parts[2:-2]), ""])

    def _drawn(self) -> Iterator[str]:
        """The random numbers of the step."""
        at = self.draws_at
        for i, draw in enumerate(self.draws):
            if not draw.is_uniform:
                yield f"const float *u{i} = drawn{i} + step * {draw.size};"
                continue
            each, which = prod(draw.shape), f"{draw.which}u"
            yield f"float *u{i} = (float *)(ws + {at});"
            to, key, when = f"u{i} + t * {each}", f"keys + {2 * i}", "(uint64_t)(first + step)"
            call = f"uniform({to}, {each}, {key}, {which} + ((uint64_t)t << 44), {when});"
            yield f"for (int64_t t = 0; t < {draw.times or 1}; t++) {call}"
            at += aligned(4 * draw.size)

    def _fields(self) -> Iterator[str]:
        """The fields of the batch."""
        at = self.fields_at
        for name in self.arrays:
            if name in self.handed:
                ctype, field, given = CTYPES[str(self.dtypes[name])], c_name("x", name), c_name("given", name)
                yield f"const {ctype} *{field} = {given} + step * {prod(self.shapes[name])};"
                continue
            yield from self._gathered(name, at)
            at += aligned(self.bytes_of(name))

    def _gathered(self, name: str, at: int) -> list[str]:
        """The rows of a batch, copied side by side; sequences turned to (T, N, ...)."""
        a = self.arrays[name]
        ctype, size = CTYPES[str(a.dtype)], int(a[0, 0].size)
        field = c_name("x", name)
        head = f"{ctype} *{field} = ({ctype} *)(ws + {at});"
        source = f"{c_name('all_x', name)} + rows[step * {self.n} + i] * {size}"
        if name not in self.turned:
            copy = f"memcpy({field} + i * {size}, {source}, {size} * sizeof({ctype}));"
            return [head, f"for (int64_t i = 0; i < {self.n}; i++) {copy}"]
        steps, part = self.shapes[name][1], size // a.shape[2]
        source = f"{source} + (starts[step] + t) * {part}"
        copy = f"memcpy({field} + (t * {self.n} + i) * {part}, {source}, {part} * sizeof({ctype}));"
        return [head, f"for (int64_t i = 0; i < {self.n}; i++) for (int64_t t = 0; t < {steps}; t++) {copy}"]


class CompiledStep(CompiledPass, StepPass):
    """Steps of training, as C."""


class CompiledEvaluation(CompiledPass, EvaluationPass):
    """Loss and metrics of batches of a split, as C."""


def _for_all(arrays: Sequence[str]) -> list[str]:
    """The function that takes steps for one replica after the other; the arrays are declared as those of `run`."""
    types = [declared.rsplit("*", 1)[0] + "*" for declared in arrays]
    own = [f"({t})(array[{i}].start + r * array[{i}].stride)" for i, t in enumerate(types)]
    head = "int64_t steps, int64_t first, int64_t *turn, const struct array *array, char *ws, struct team *team"
    return [
        "struct array { char *start; int64_t stride; };",
        f"void run_all({head}) {{",
        "for (int64_t r; (r = __atomic_fetch_add(turn, 1, __ATOMIC_RELAXED)) < turn[1];)",
        f"run(steps, first, {', '.join(own)}, ws, team);",
        "}",
    ]
