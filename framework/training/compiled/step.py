"""A training step, traced and compiled: the same `train_step` that the array tier runs, with arrays that record."""

from __future__ import annotations

import ctypes
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from framework.core.context import Context
from framework.core.random import Key, generator
from framework.inference.evaluation import MetricAccumulator
from framework.training.compiled.array import LoopIndex, TracedArray, contiguous, new
from framework.training.compiled.build import load, machine
from framework.training.compiled.emit import Emitter
from framework.training.compiled.functions import CTYPES
from framework.training.compiled.graph import Scalar, UntraceableError, Value
from framework.training.compiled.module import ArrayModule
from framework.training.learner import Learner
from framework.training.step import Batch, TrainState, train_step

FRAMEWORK = Path(__file__).resolve().parents[2]
OPERATIONS = 1500  # of one step: more would take too long to compile


class Draw(NamedTuple):
    """Random numbers of a step: whose, which, how they are drawn, their shape, and for how many time steps of a loop."""

    name: str
    which: int
    sample: Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
    shape: tuple[int, ...]
    times: int | None = None

    @property
    def size(self) -> int:
        """How many numbers a step takes."""
        return prod(self.shape) * (self.times or 1)

    def numbers(self, key: Key, step: int) -> np.ndarray:
        """Those of one replica: (..., or, in a loop, T ...)."""
        if self.times is None:
            return self.sample(generator(key, self.name, step, self.which), self.shape)
        each = [self.which + (t << 44) for t in range(self.times)]
        return np.stack([self.sample(generator(key, self.name, step, which), self.shape) for which in each])


class TracedContext(Context):
    """The context of a traced step. What it draws is an input, which is given the numbers of the array tier."""

    def _draw(self, like: Any, draw: int, sample: Any) -> Any:
        draws: list[Draw] = self.__dict__["draws"]
        core, time, which, name = like.shape[1:], self.time, draw + (self.part << 32), f"u{len(draws)}"
        if isinstance(time, LoopIndex):
            draws.append(Draw(self.name, which, sample, core, time.n))
            numbers = new("input", (time.n, 1, *core), np.float32, name=name)[time]
        else:
            draws.append(Draw(self.name, which + (time << 44), sample, core))
            numbers = new("input", (1, *core), np.float32, name=name)
        return numbers.astype(like.dtype, copy=False)


class Options:
    """The options in which the replicas of a stack differ: each is read from a table when the step runs."""

    def __init__(self) -> None:
        self.columns: list[np.ndarray] = []

    def taken_from(self, tree: Any) -> Any:
        """The same component of one replica."""
        if is_dataclass(tree) and not isinstance(tree, type):
            return replace(tree, **{f.name: self._field(f, getattr(tree, f.name)) for f in fields(tree) if f.init})
        if isinstance(tree, Mapping):
            return {key: self.taken_from(value) for key, value in tree.items()}
        if isinstance(tree, tuple):
            return tuple(self.taken_from(value) for value in tree)
        return tree

    def _field(self, f: Any, value: Any) -> Any:
        if not isinstance(value, np.ndarray):
            return self.taken_from(value)
        if not f.metadata.get("stackable") or value.dtype.kind not in "biuf":
            return value
        self.columns.append(np.asarray(value, np.float64))
        return Scalar(f"opt[{len(self.columns) - 1}]")

    def table(self, replicas: int) -> np.ndarray:
        """A row of numbers for each replica."""
        return np.ascontiguousarray(np.stack(self.columns, -1)) if self.columns else np.zeros((replicas, 0))


@dataclass(frozen=True)
class Once:
    """A schedule of the traced step: the learning rate that it is given has the schedule's factor already."""

    def __call__(self, step: int, total: int) -> float:
        return 1.0


class TracedState:
    """What `train_step` needs of a `TrainState`, for one replica of it."""

    def __init__(self, s: TrainState, options: Options, batch: Mapping[str, tuple[tuple[int, ...], Any]]) -> None:
        self.xp, self.arena, self.data, self.feeds = ArrayModule(), s.arena, s.data, s.feeds
        learner: Learner = options.taken_from(_without_rate(s.learner))
        self.learner = replace(learner, optimizer=_with_rate(learner.optimizer, Scalar("lr")), initial={})
        self.network = self.watched = self.learner.network
        self.replicas = len(s.w)
        self.w = new("input", (1, s.w.shape[-1]), s.w.dtype, name="w")
        self.trained = self.w[..., : s.arena.P]
        self.g = self.xp.zeros((1, s.arena.P), s.w.dtype)
        self.p, self.dp = s.arena.views(self.w), s.arena.views(self.g)
        self.state = {name: self._slot(name, value) for name, value in s.state.items()}
        self.fields = {n: new("input", shape, dtype, name=f"x_{n}") for n, (shape, dtype) in batch.items()}
        self.carry: dict[str, Any] = {}
        self.draws: list[Draw] = []

    def _slot(self, name: str, value: Any) -> Any:
        if isinstance(value, int | float):
            return Scalar(f"n_{name}")
        if not isinstance(value, np.ndarray) or value.shape[:1] != (self.replicas,):
            raise UntraceableError(f"the optimizer's state '{name}' is neither a number nor an array with replica axes")
        return new("input", (1, *value.shape[1:]), value.dtype, name=f"s_{name}")

    @staticmethod
    def update(optimizer: Any, *arguments: Any) -> None:
        """The array form of the optimizer."""
        optimizer.update(*arguments)

    def context(self, step: int, **more: Any) -> Context:
        """The context of the traced replica."""
        # What a component may not know in advance: it is read when the step runs, or refuses to become a number.
        key: Any = Scalar("the key of the replica")
        ctx = TracedContext(self.xp, (1,), (key,), step=Scalar("number"), **more)  # type: ignore[arg-type]
        ctx.__dict__["draws"] = self.draws
        return ctx

    def batch(self, *_: Any) -> dict[str, TracedArray]:
        """The fields of the batch."""
        return dict(self.fields)


class CompiledStep:
    """The function of a step for batches of one size.

    Attributes:
        counts: metric -> how many numbers it counts.
        workspace: bytes that a call needs.
    """

    def __init__(self, s: TrainState, columns: int, measures: Mapping[str, Any], n: int) -> None:
        self.options, feed = Options(), s.feeds["train"]
        self.arrays = {name: np.ascontiguousarray(a) for name, a in feed.arrays.items()}
        self.turned = {name for name in self.arrays if name in feed.time_major}
        shapes = {name: ((1, *self._core(name, n)), a.dtype) for name, a in self.arrays.items()}
        state = TracedState(s, self.options, shapes)
        tally, row = MetricAccumulator(measures), state.xp.zeros((1, columns), s.w.dtype)
        train_step(state, Batch(slice(0, n)), 0, 1, tally, row)  # type: ignore[arg-type]
        self.draws = state.draws
        self.counts = {name: int(a.shape[-1]) for name, a in tally.counts.items()}
        self.dtype, self.columns, self.n = s.w.dtype, columns, n
        outputs = {"w": state.w, "row": row, **{f"s_{name}": a for name, a in state.state.items() if hasattr(a, "view")}}
        outputs |= {f"c_{name}": a for name, a in tally.counts.items()}
        self.counters = {name: a.code for name, a in state.state.items() if isinstance(a, Scalar)}
        self.slots = [name for name, a in state.state.items() if hasattr(a, "view")]
        emitter = Emitter({_name(key): _value(a) for key, a in outputs.items()}, machine())
        if (many := emitter.operations) > OPERATIONS:
            raise UntraceableError(f"the step has {many:,} operations, and at most {OPERATIONS:,} are compiled")
        self.fields_at = _aligned(emitter.workspace)
        self.text = self._source(emitter, tally.counts)
        self.workspace = self.fields_at + sum(_aligned(self._bytes(name)) for name in self.arrays)
        self.function = load(self.text).run
        self.function.restype = None

    def options_of(self, learner: Learner, replicas: int) -> np.ndarray:
        """The table of options of the replicas that are left."""
        options = Options()
        options.taken_from(_without_rate(learner))
        return options.table(replicas)

    def call(self, steps: int, first: int, arrays: Sequence[np.ndarray]) -> None:
        """Take steps; `first` is the number of the first of them. The order of the arrays is that of `_source`."""
        self.function(ctypes.c_int64(steps), ctypes.c_int64(first), *(ctypes.c_void_p(a.ctypes.data) for a in arrays))

    def drawn(self, key: Key, steps: Sequence[int]) -> list[np.ndarray]:
        """The random numbers of one replica for these steps: those of the array tier."""
        return [np.stack([draw.numbers(key, step) for step in steps]) for draw in self.draws]

    def fields_of(self, s: TrainState) -> list[np.ndarray]:
        """The fields of the training split, (1 or R, n, ...) each."""
        arrays = s.feeds["train"].arrays
        return [np.ascontiguousarray(arrays[name]) for name in self.arrays]

    def _core(self, name: str, n: int) -> tuple[int, ...]:
        """The shape of a field of a batch, without replicas."""
        rest = self.arrays[name].shape[2:]
        return (rest[0], n, *rest[1:]) if name in self.turned else (n, *rest)

    def _bytes(self, name: str) -> int:
        a = self.arrays[name]
        return self.n * int(a[0, 0].size) * a.dtype.itemsize

    def _source(self, emitter: Emitter, counts: Mapping[str, Any]) -> str:
        """The file: a function that takes steps one after the other for one replica."""
        T = CTYPES[str(self.dtype)]
        parts = [
            "int64_t steps",
            "int64_t first",
            "const int64_t *rows",
            "const double *lrs",
            "const double *opt",
            "double *numbers",
        ]
        parts += [f"{T} *w", *(f"{T} *{_name(f's_{name}')}" for name in self.slots)]
        parts += [f"const {CTYPES[str(a.dtype)]} *all_{_name(name)}" for name, a in self.arrays.items()]
        parts += [
            f"{T} *out",
            *(f"{CTYPES[str(a.dtype)]} *{_name(f'all_c_{name}')}" for name, a in counts.items()),
            *(f"const float *all_u{i}" for i in range(len(self.draws))),
            "char *ws",
        ]
        lines = [f"const float *u{i} = all_u{i} + step * {d.size};" for i, d in enumerate(self.draws)]
        lines += [f"const double number = (double)(first + step), lr = lrs[step]; {T} *row = out + step * {self.columns};"]
        lines += [f"const double n_{name} = numbers[{i}];" for i, name in enumerate(self.counters)]
        for name, a in counts.items():
            lines.append(f"{CTYPES[str(a.dtype)]} *{_name(f'c_{name}')} = {_name(f'all_c_{name}')} + step * {a.shape[-1]};")
        at = self.fields_at
        for name in self.arrays:
            lines += self._gathered(name, at)
            at += _aligned(self._bytes(name))
        lines += [emitter.code(), *(f"numbers[{i}] = {code};" for i, code in enumerate(self.counters.values()))]
        loop = ["for (int64_t step = 0; step < steps; step++) {", *lines, "}"]
        return "\n".join([emitter.head(), f"void run({', '.join(parts)}) {{", *loop, "}", ""])

    def _gathered(self, name: str, at: int) -> list[str]:
        """The rows of a batch, copied side by side; sequences turned to (T, N, ...)."""
        a = self.arrays[name]
        ctype, size = CTYPES[str(a.dtype)], int(a[0, 0].size)
        field = _name(f"x_{name}")
        head = f"{ctype} *{field} = ({ctype} *)(ws + {at});"
        source = f"all_{_name(name)} + rows[step * {self.n} + i] * {size}"
        if name not in self.turned:
            copy = f"memcpy({field} + i * {size}, {source}, {size} * sizeof({ctype}));"
            return [head, f"for (int64_t i = 0; i < {self.n}; i++) {copy}"]
        steps, part = a.shape[2], size // a.shape[2]
        copy = f"memcpy({field} + (t * {self.n} + i) * {part}, {source} + t * {part}, {part} * sizeof({ctype}));"
        return [head, f"for (int64_t i = 0; i < {self.n}; i++) for (int64_t t = 0; t < {steps}; t++) {copy}"]


def refusal(error: Exception) -> str:
    """Why a step cannot be traced, with the place in the component's code."""
    frames = traceback.extract_tb(error.__traceback__)
    outside = [f for f in frames if FRAMEWORK not in Path(f.filename).resolve().parents]
    place = f"{Path(outside[-1].filename).name}, line {outside[-1].lineno}: " if outside else ""
    what = "" if isinstance(error, UntraceableError) else f"{type(error).__name__}: "
    return f"{place}{what}{error}"


def _without_rate(learner: Learner) -> Learner:
    """A learner whose options do not hold the learning rate, which every step is given."""
    return replace(learner, optimizer=_with_rate(learner.optimizer, 1.0), schedule=Once())


def _with_rate(optimizer: Any, lr: Any) -> Any:
    return replace(optimizer, lr=lr)


def _value(a: TracedArray) -> Value:
    whole = contiguous(a, copy=not a.read().is_whole)
    return whole.storage.value


def _name(text: str) -> str:
    """A name that C allows."""
    return "".join(c if c.isalnum() and c.isascii() else "_" for c in text)


def _aligned(size: int) -> int:
    return -(-size // 64) * 64
