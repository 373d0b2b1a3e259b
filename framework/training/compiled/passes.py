"""A function of batches, traced: the same `train_step` and `measure` that the array tier runs, with arrays that record."""

from __future__ import annotations

import traceback
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from framework.core.arrays import Array
from framework.core.random import Key, philox_key
from framework.data.augmentation import Layout
from framework.data.loader import DataLoader
from framework.inference.evaluation import MetricAccumulator, measure
from framework.training.compiled.array import TracedArray, new
from framework.training.compiled.functions import CTYPES
from framework.training.compiled.graph import Scalar, UntraceableError, Value
from framework.training.compiled.memory import aligned
from framework.training.compiled.traced import Options, TracedFeed, TracedState, as_output, c_name, without_rate
from framework.training.learner import Learner
from framework.training.step import Batch, TrainState, train_step

FRAMEWORK = Path(__file__).resolve().parents[2]
OPERATIONS = 1500  # of one step: more would take too long to compile

Measures = Mapping[str, Any]


class Kind(NamedTuple):
    """What a step is compiled for: examples of a batch, its time steps (None: all), and whether they continue the previous
    batch."""

    n: int
    times: int | None = None
    goes_on: bool = False


class TracedPass(ABC):
    """A function of batches of one kind. It takes them one after the other, for one replica.

    Args:
        s, learner: what is traced.
        feed: the split that the batches come from.
        columns: numbers that it gives for each batch.
        kind: of the batches.
        timed: whether the code measures its kernels.

    Attributes:
        counts: metric -> the shape of its counts without replicas, and their type.
        workspace: bytes that a call needs.
        handed: fields that are not rows of the split: each call is given them for every batch.
        carried: node -> shape of the state that goes from batch to batch, without replicas.
    """

    def __init__(
        self,
        s: TrainState,
        learner: Learner,
        feed: DataLoader,
        columns: int,
        measures: Measures,
        kind: Kind,
        timed: bool = False,
    ) -> None:
        self.options, self.columns, self.kind, self.n, self.dtype = Options(), columns, kind, kind.n, s.w.dtype
        self.arrays = feed.arrays
        self.turned = feed.time_major
        self.handed = tuple(self.layouts(s))
        state = TracedState(
            s, learner, self.options, TracedFeed(feed, kind.n, kind.times, self.layouts(s)), self.changing(s)
        )
        own = {name: state.learner.measures[name] for name in measures}
        tally, row = MetricAccumulator(own), state.xp.zeros((1, columns), s.w.dtype)
        outputs = {**self.traced(state, tally, row), "row": row}
        self.draws, self.shapes = state.draws, {name: a.shape for name, a in state.feed.fields.items()}
        self.dtypes = {name: a.dtype for name, a in state.feed.fields.items()}
        counts = tally.counts
        self.counts = {name: (tuple(a.shape[1:]), a.dtype) for name, a in counts.items()}
        self.carried = {name: a.shape[1:] for name, a in state.carry.items()}
        self.counters = {name: a.code for name, a in state.state.items() if isinstance(a, Scalar)}
        self.slots = {name: CTYPES[str(a.dtype)] for name, a in state.state.items() if hasattr(a, "view")}
        outputs |= {c_name("c", name): a for name, a in counts.items()}
        self.emit({name: as_output(name, a) for name, a in outputs.items()}, timed)

    number = "first + step"  # of a batch, in C
    rates = 1  # numbers that a step is given: the learning rate, scheduled options, and a factor for groups

    @abstractmethod
    def emit(self, outputs: Mapping[str, Value], timed: bool) -> None:
        """Make the code that computes the outputs, for `workspace` bytes of memory."""

    def check_size(self, operations: int) -> None:
        """
        Raises:
            UntraceableError: the code would take too long to compile.
        """
        if operations > OPERATIONS:
            raise UntraceableError(f"the step has {operations:,} operations, and at most {OPERATIONS:,} are compiled")

    def place_inputs(self, size: int) -> None:
        """Place the fields of a batch and random numbers in the workspace, behind so many bytes."""
        self.fields_at = aligned(size)
        self.draws_at = self.fields_at + sum(aligned(self.bytes_of(name)) for name in self.arrays)
        self.workspace = self.draws_at + sum(aligned(4 * draw.size) for draw in self.draws if draw.is_uniform)

    def changing(self, s: TrainState) -> Mapping[str, Any]:
        """The state, beside the weights, that goes from batch to batch."""
        return {}

    def layouts(self, s: TrainState) -> Mapping[str, Layout]:
        """The layout of the fields that augmentations change."""
        return {}

    @abstractmethod
    def traced(self, s: TracedState, tally: MetricAccumulator, row: TracedArray) -> dict[str, TracedArray]:
        """Do with arrays that record what is compiled; returns the outputs by name, beside `row` and the counts."""

    def options_of(self, learner: Learner, replicas: int) -> np.ndarray:
        """The table of options of these replicas."""
        options = Options()
        options.taken_from(without_rate(learner))
        return options.table(replicas)

    @property
    def given(self) -> int:
        """Bytes of random numbers and fields that one step of one replica is given."""
        drawn: int = sum(4 * draw.size for draw in self.draws if not draw.is_uniform)
        handed: int = sum(prod(self.shapes[name]) * self.dtypes[name].itemsize for name in self.handed)
        return drawn + handed

    def drawn(self, key: Key, steps: Sequence[int]) -> list[np.ndarray]:
        """The random numbers of one replica for these steps that the code does not draw itself: those of the array tier."""
        return [np.stack([draw.numbers(key, step) for step in steps]) for draw in self.draws if not draw.is_uniform]

    def keys(self, keys: Sequence[Key]) -> np.ndarray:
        """The keys of the random streams, (R, draws, 2)."""
        words = [[philox_key(key, draw.name) for draw in self.draws] for key in keys]
        return np.array(words, np.uint64).reshape(len(keys), len(self.draws), 2)

    def fields_of(self, feed: DataLoader) -> list[Array]:
        """The fields of the split, (1 or R, n, ...) each."""
        return [feed.xp.ascontiguousarray(feed.arrays[name]) for name in self.arrays]

    def counted(self, replicas: int, steps: int) -> dict[str, np.ndarray]:
        """Room for the counts of every metric."""
        return {name: np.empty((replicas, steps, *shape), dtype) for name, (shape, dtype) in self.counts.items()}

    def bytes_of(self, name: str) -> int:
        """Bytes of a field of a batch, which is put together in the workspace."""
        return 0 if name in self.handed else prod(self.shapes[name]) * self.arrays[name].dtype.itemsize


class StepPass(TracedPass):
    """Steps of training."""

    def __init__(
        self,
        s: TrainState,
        columns: int,
        measures: Measures,
        kind: Kind,
        carried: Mapping[str, tuple[int, ...]],
        timed: bool = False,
    ) -> None:
        """carried: node -> shape of the state of the previous batch, for one that continues it."""
        self.rates = 1 + len(s.schedules.paths) + bool(s.learner.groups)  # the factor of the schedule, for groups
        self.before = {name: (kind.n, *shape[1:]) for name, shape in carried.items()} if kind.goes_on else {}
        super().__init__(s, s.learner, s.feeds["train"], columns, measures, kind, timed)

    def changing(self, s: TrainState) -> Mapping[str, Any]:
        """The optimizer's state."""
        state: Mapping[str, Any] = s.state
        return state

    def layouts(self, s: TrainState) -> Mapping[str, Layout]:
        """Each call is given these fields."""
        return s.augmenter.changed if s.augmenter else {}

    def traced(self, s: TracedState, tally: MetricAccumulator, row: TracedArray) -> dict[str, TracedArray]:
        """The step of the array tier."""
        kind = self.kind
        s.carry = {
            name: new("input", (1, *shape), self.dtype, name=c_name("h", name)) for name, shape in self.before.items()
        }
        batch = Batch(slice(0, kind.n), None if kind.times is None else slice(0, kind.times), kind.goes_on)
        train_step(s, batch, 0, 1, tally, row)  # type: ignore[arg-type]
        slots = {c_name("s", name): a for name, a in s.state.items() if hasattr(a, "view")}
        _check_slots(s.given, s.state)
        return {"w": s.w, **slots, **{c_name("h", name): a for name, a in s.carry.items()}}

    def states(self, s: TrainState) -> dict[str, Array]:
        """Memory for the state that goes from batch to batch, with that of the previous one."""
        shapes = {name: (len(s.w), *shape) for name, shape in self.carried.items()}
        if not self.kind.goes_on:
            return {name: s.xp.empty(shape, self.dtype) for name, shape in shapes.items()}
        return {name: s.xp.ascontiguousarray(s.carry[name][:, : self.n]) for name in shapes}

    def augmented(
        self, s: TrainState, replica: int, steps: Sequence[int], rows: np.ndarray, starts: np.ndarray
    ) -> list[np.ndarray]:
        """The augmented fields of one replica for these steps, part by part as in the array tier; rows: (K, N)."""
        if s.augmenter is None:
            return []
        key, options = s.keys[replica], s.learner.options
        found: dict[str, list[np.ndarray]] = {name: [] for name in self.handed}
        for step, own, start in zip(steps, rows, starts, strict=True):
            size = self.n if options.accumulate == 1 or isinstance(options.batch_size, str) else options.batch_size
            parts = [own[at : at + size] for at in range(0, self.n, size)]
            made = [s.augmenter.alone(replica, part, key, step, i) for i, part in enumerate(parts)]
            for name in self.handed:
                axis, each = int(name in self.turned), [part[name] for part in made]
                whole = each[0] if len(each) == 1 else np.concatenate(each, axis)
                found[name].append(whole[start : start + self.kind.times] if axis and self.kind.times else whole)
        return [np.ascontiguousarray(np.stack(a), self.dtypes[name]) for name, a in found.items()]


class EvaluationPass(TracedPass):
    """Loss and metrics of batches of a split.

    Raises:
        UntraceableError: it draws random numbers, which go by the batches of the array tier.
    """

    number = "first"

    def __init__(self, s: TrainState, learner: Learner, feed: DataLoader, n: int) -> None:
        super().__init__(s, learner, feed, 1, learner.measures, Kind(n))

    def traced(self, s: TracedState, tally: MetricAccumulator, row: TracedArray) -> dict[str, TracedArray]:
        """The evaluation of the array tier."""
        share = self.n / s.feed.n
        ctx = s.context(0).but(train=False, batch=s.feed.batch(slice(0, self.n)))
        loss, _ = measure(s.network, s.learner.heads, s.p, s.feed.whole(), share, ctx, tally)
        row[:, 0] = loss
        if s.draws:
            raise UntraceableError("its random numbers go by the batches of the array tier")
        return {}


def refusal(error: Exception) -> str:
    """Why a step cannot be traced, with the component if it is noted, and the place in its code."""
    frames = traceback.extract_tb(error.__traceback__)
    outside = [f for f in frames if FRAMEWORK not in Path(f.filename).resolve().parents]
    place = f"{Path(outside[-1].filename).name}, line {outside[-1].lineno}: " if outside else ""
    what = "" if isinstance(error, UntraceableError) else f"{type(error).__name__}: "
    who = f"{error.component}: " if hasattr(error, "component") else ""
    return f"{who}{place}{what}{error}"


def _check_slots(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """
    Raises:
        UntraceableError: an update changes what the optimizer's state consists of.
    """
    kinds = [
        {name: (a.shape[1:], str(a.dtype)) if hasattr(a, "dtype") else "number" for name, a in state.items()}
        for state in (before, after)
    ]
    if kinds[0] != kinds[1]:
        raise UntraceableError(f"the optimizer's state changes from {kinds[0]} to {kinds[1]}")
