"""What a step sees while it is traced: state, batches, options and random draws of one replica, as inputs of the graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from math import prod
from typing import Any, NamedTuple

import numpy as np

from framework.core.context import Context
from framework.core.random import Key, generator, uniform
from framework.data.augmentation import Layout
from framework.data.loader import DataLoader
from framework.training.compiled.array import LoopIndex, TracedArray, contiguous, new
from framework.training.compiled.graph import Scalar, UntraceableError, Value
from framework.training.compiled.module import ArrayModule
from framework.training.compiled.parameter_groups import runs, update_by_runs
from framework.training.learner import Learner
from framework.training.schedules import stackable_options, with_value
from framework.training.step import Batch, TrainState
from framework.training.update import check_updated


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

    @property
    def is_uniform(self) -> bool:
        """Whether the compiled step draws them itself."""
        return self.sample is uniform

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


class Given:
    """The schedules of the traced step: the learning rate and the options that it is given have their factors already."""

    def apply(self, step: int, total: int) -> None:
        """Options are numbers that each step is given."""

    def factor(self, step: int, total: int) -> float:
        """That of the learning rate."""
        return 1.0


class TracedFeed:
    """A split, and one batch of it.

    Args:
        feed: the split.
        n: examples of the batch.
        times: its time steps; None: all.
        changed: the layout of the fields that augmentations change.
    """

    def __init__(
        self, feed: DataLoader, n: int, times: int | None = None, changed: Mapping[str, Layout] | None = None
    ) -> None:
        self.n, self.size, self.times, self.time_major = feed.n, n, times, feed.time_major
        self.arrays = feed.arrays
        held = {name: Layout(a.shape[2:], a.dtype) for name, a in feed.arrays.items()}
        self.fields = {name: self._input("x", name, n, layout) for name, layout in {**held, **(changed or {})}.items()}

    def _input(self, prefix: str, name: str, n: int, layout: Layout) -> TracedArray:
        rest = layout.rest
        turned = name in self.time_major and prefix == "x"
        shape = (self.times or rest[0], n, *rest[1:]) if turned else (n, *rest)
        return new("input", (1, *shape), layout.dtype, name=c_name(prefix, name))

    def batch(self, rows: slice) -> dict[str, TracedArray]:
        """Rows of the batch."""
        return {
            name: a[:, :, rows] if name in self.time_major else a[:, rows]  # (1, T, N, ...) or (1, N, ...)
            for name, a in self.fields.items()
        }

    def whole(self) -> dict[str, TracedArray]:
        """Every row of the split, read where it lies."""
        held = {name: Layout(a.shape[2:], a.dtype) for name, a in self.arrays.items()}
        found = {name: self._input("all_x", name, self.n, layout) for name, layout in held.items()}
        return {name: a.swapaxes(1, 2) if name in self.time_major else a for name, a in found.items()}


class TracedState:
    """What `train_step` needs of a `TrainState`, for one replica of it."""

    def __init__(
        self, s: TrainState, learner: Learner, options: Options, feed: TracedFeed, state: Mapping[str, Any]
    ) -> None:
        self.xp, self.arena, self.data = ArrayModule(), s.arena, s.data
        own: Learner = options.taken_from(without_rate(learner))
        optimizer: Any = own.optimizer
        self.learner = replace(own, optimizer=replace(optimizer, lr=Scalar("lr")), initial={})
        self.schedules, self.training = Given(), self._scheduled(s)
        self.runs = runs(self.learner.groups, s.arena.tensors) if self.learner.groups else []
        self.factor = Scalar(f"rates[{1 + len(s.schedules.paths)}]")
        self.network = self.watched = self.training.network
        self.network.know(s.shapes)
        self.feed = feed
        self.feeds = {"train": self.feed}
        self.soft = s.soft
        self.replicas = len(s.w)
        self.w = new("input", (1, s.w.shape[-1]), s.w.dtype, name="w")
        self.trained = self.w[..., : s.arena.P]
        self.g = self.xp.zeros((1, s.arena.P), s.w.dtype)
        self.p, self.dp = s.arena.views(self.w), s.arena.views(self.g)
        self.state = {name: self._slot(name, value) for name, value in state.items()}
        self.given = dict(self.state)
        self.carry: dict[str, Any] = {}
        self.draws: list[Draw] = []

    def _scheduled(self, s: TrainState) -> Learner:
        """The learner of a step, whose scheduled options are numbers that each step is given beside its learning rate."""
        learner, options = self.learner, stackable_options(s.learner) if s.schedules.paths else {}
        for i, path in enumerate(s.schedules.paths, 1):
            learner = with_value(learner, options[path].keys, Scalar(f"rates[{i}]"))
        return learner

    def _slot(self, name: str, value: Any) -> Any:
        if isinstance(value, int | float):
            return Scalar(c_name("n", name))
        if not isinstance(value, np.ndarray) or value.shape[:1] != (self.replicas,):
            raise UntraceableError(f"the optimizer's state '{name}' is neither a number nor an array with replica axes")
        return new("input", (1, *value.shape[1:]), value.dtype, name=c_name("s", name))

    def update(self, optimizer: Any, w: Any, g: Any, state: dict[str, Any], lr: Any, ctx: Context) -> None:
        """The array form of the optimizer, with parameter groups for one run of columns after the other."""
        if self.runs:
            update_by_runs(self.runs, optimizer, w, g, state, self.factor, ctx)
        else:
            check_updated(optimizer, optimizer.update(w, g, state, lr, ctx))

    def context(self, step: int, **more: Any) -> Context:
        """The context of the traced replica."""
        # What a component may not know in advance: it is read when the step runs, or refuses to become a number.
        key: Any = Scalar("the key of the replica")
        ctx = TracedContext(self.xp, (1,), (key,), step=Scalar("number"), tensors=self.arena.tensors, **more)  # type: ignore[arg-type]
        ctx.__dict__["draws"] = self.draws
        return ctx

    def batch(self, batch: Batch, *_: Any) -> dict[str, TracedArray]:
        """The fields of the batch, or of a part of it."""
        assert isinstance(batch.rows, slice)
        return self.feed.batch(batch.rows)


def without_rate(learner: Learner) -> Learner:
    """A learner whose options do not hold the learning rate, which every step is given."""
    optimizer: Any = learner.optimizer
    return replace(learner, optimizer=replace(optimizer, lr=1.0), schedule=None, schedules={})  # type: ignore[arg-type]


def c_name(prefix: str, text: str) -> str:
    """A name that C allows, another one for every text."""
    return f"{prefix}_" + "".join(c if c.isascii() and c.isalnum() else "__" if c == "_" else f"_{ord(c):x}x" for c in text)


def as_output(name: str, a: TracedArray) -> Value:
    """An output as a value of its own: not the old value of another state, which may be overwritten before."""
    value = a.storage.value
    is_other = value.op == "input" and value.detail["name"] != name
    return contiguous(a, copy=is_other or not a.read().is_whole).storage.value
