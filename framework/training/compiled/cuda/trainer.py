"""Training in the compiled tier on a GPU: all state stays on the device, and the host waits at readings only."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from framework.core.arrays import Array
from framework.core.callback import Callback, Save
from framework.core.random import Key
from framework.core.stacking import to_device
from framework.data.loader import DataLoader
from framework.inference.evaluation import over_batches
from framework.training.compiled.cuda.choice import Gpu
from framework.training.compiled.cuda.passes import CudaEvaluation, CudaPass, CudaStep
from framework.training.compiled.deferred import DeferredTrainer, Waiting, rows_of
from framework.training.compiled.passes import Kind, Measures, StepPass
from framework.training.learner import Learner
from framework.training.step import TrainState
from framework.training.update import check_compiled


class CudaTrainer(DeferredTrainer):
    """A `Trainer` whose steps run as CUDA C.

    Raises:
        TierError: the step cannot be traced or compiled; the message says why.
    """

    tier = "cuda"

    def __init__(self, stack: TrainState, callbacks: Sequence[Callback], save: Save | None = None) -> None:
        super().__init__(stack, callbacks, save)
        check_compiled(stack.xp)
        self.gpu = Gpu.of(stack.xp, stack.members.size)
        self.on_host: tuple[Learner, Learner] | None = None
        self.held: dict[int, tuple[Any, tuple[Key, ...], Array, Array]] = {}  # what all calls of a step are given
        self.memory = stack.xp.empty(0, np.uint8)
        self.prepare()

    @property
    def settings(self) -> Learner:
        """The learner of the stack, with options on the host."""
        learner = self.stack.learner
        if self.on_host is None or self.on_host[0] is not learner:
            self.on_host = (learner, to_device(learner, np))
        return self.on_host[1]

    def step_of(self, kind: Kind, measures: Measures, carried: Mapping[str, tuple[int, ...]]) -> CudaStep:
        """A step in CUDA C."""
        return CudaStep(self.gpu, described(self.stack, self.settings), len(self.columns), measures, kind, carried)

    def evaluation_of(self, learner: Learner, feed: DataLoader, n: int) -> CudaEvaluation:
        """An evaluation in CUDA C."""
        own = self.settings if learner is self.stack.learner else to_device(learner, np)
        return CudaEvaluation(self.gpu, described(self.stack, self.settings), own, outlined(feed), n)

    def compile(self, passes: Sequence[CudaPass]) -> None:
        """Compile one after the other: CuPy keeps what it has compiled."""
        for each in passes:
            _ = each.library

    def at_once(self, step: StepPass) -> int:
        """All replicas are given their numbers at once."""
        return max(1, super().at_once(step) // self.stack.members.size)

    def take(self, steps: Sequence[Waiting], step: CudaStep) -> None:
        """Take steps for all replicas."""
        s, xp, replicas, count, numbers = self.stack, self.stack.xp, self.stack.members.size, len(steps), [*_numbers(steps)]
        rows = rows_of([each.batch.rows for each in steps], step.n)
        starts = np.array([0 if each.batch.times is None else each.batch.times.start for each in steps], np.int64)
        self._own_memory(step)
        states, (options, keys) = step.states(s), self._held(step)
        counts = {name: xp.empty((replicas, count, *shape), dtype) for name, (shape, dtype) in step.counts.items()}
        out = self.block[:, steps[0].place : steps[0].place + count]
        arrays = [xp.asarray(rows.astype(np.int32)), xp.asarray(starts[None]), xp.asarray(self.rates(numbers)), options]
        arrays += [xp.asarray(self._counters(step, numbers)), keys, s.w, *(s.state[name] for name in step.slots)]
        arrays += [*states.values(), *step.fields_of(s.feeds["train"]), out, *counts.values()]
        if step.given:
            given = self.given(step, numbers, rows, starts)
            each = [given(r) for r in range(replicas)] if len(set(s.keys)) > 1 or s.augmenter else [given(0)]
            arrays += [xp.asarray(np.stack(own)) for own in zip(*each, strict=True)]
        self._call(step, count, numbers[0], arrays, replicas)
        s.carry = states
        for name, found in counts.items():
            self.tally.add_counts(name, over_batches(self.tally.measures[name].metric, found), xp)

    def measure(
        self, evaluation: CudaEvaluation, learner: Learner, w: Array, feed: DataLoader, rows: np.ndarray
    ) -> tuple[Array, dict[str, Array]]:
        """The loss (R,) of batches of one size, and the counts of the metrics, batch by batch."""
        xp, replicas, count = self.stack.xp, len(w), len(rows)
        own = self.settings if learner is self.stack.learner else to_device(learner, np)
        empty = xp.zeros((1, count), np.int64)
        counts = {name: xp.empty((replicas, count, *shape), dtype) for name, (shape, dtype) in evaluation.counts.items()}
        out = xp.empty((replicas, count, 1), self.stack.dtype)
        arrays = [xp.asarray(rows[None].astype(np.int32)), empty, xp.zeros((1, count), np.float64)]
        arrays += [xp.asarray(evaluation.options_of(own, replicas)), empty, empty, xp.ascontiguousarray(w)]
        arrays += [*evaluation.fields_of(feed), out, *counts.values()]
        self._call(evaluation, count, self.step, arrays, replicas)
        return out[..., 0].sum(1), counts

    def _call(self, step: CudaPass, count: int, first: int, arrays: Sequence[Array], replicas: int) -> None:
        size = step.memory_size * replicas
        if self.memory.size < size:
            self.memory = self.stack.xp.empty(size, np.uint8)
        step.call(count, first, arrays, replicas, self.memory)

    def _own_memory(self, step: CudaStep) -> None:
        """Every state of the optimizer in memory of its own, which the code overwrites."""
        s, taken = self.stack, set[int]()
        for name in step.slots:
            own = s.xp.ascontiguousarray(s.state[name])
            s.state[name] = own.copy() if own.data.ptr in taken else own
            taken.add(s.state[name].data.ptr)

    def _held(self, step: CudaStep) -> tuple[Array, Array]:
        """The options in which the replicas that are left differ, and the keys of their random streams."""
        learner, keys, xp = self.settings, self.stack.keys, self.stack.xp
        held = self.held.get(id(step))
        if held is None or held[0] is not learner or held[1] is not keys:
            held = (learner, keys, xp.asarray(self.options_for(step)), xp.asarray(step.keys(keys)))
            self.held[id(step)] = held
        return held[2], held[3]

    def _counters(self, step: CudaStep, numbers: Sequence[int]) -> np.ndarray:
        """The counts of the optimizer's state before each step, (1, K, counts); the state has those after the last."""
        state, found = self.stack.state, []
        now = {name: float(state[name]) for name in step.counters}
        for number in numbers:
            found.append(list(now.values()))
            now = step.counted_on(now, number)
        for name, value in now.items():
            state[name] = type(state[name])(value)
        return np.array(found, np.float64).reshape(1, len(numbers), -1)


def _numbers(steps: Sequence[Waiting]) -> list[int]:
    return [each.number for each in steps]


def described(s: TrainState, learner: Learner) -> TrainState:
    """What tracing reads of a state: its arrays have a shape and a type only."""
    view = copy.copy(s)
    view.xp, view.learner, view.w = np, learner, outline(s.w)
    view.state = {name: outline(a) if hasattr(a, "ndim") else a for name, a in s.state.items()}
    view.feeds = {name: outlined(feed) for name, feed in s.feeds.items()}
    return view


def outlined(feed: DataLoader) -> DataLoader:
    """A split whose arrays have a shape and a type only."""
    view = copy.copy(feed)
    view.xp, view.arrays = np, {name: outline(a) for name, a in feed.arrays.items()}
    return view


def outline(a: Array) -> np.ndarray:
    """An array of that shape and type without memory."""
    return np.broadcast_to(np.zeros((), a.dtype), a.shape)
