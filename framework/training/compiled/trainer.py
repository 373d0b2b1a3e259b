"""Training in the compiled tier: steps are collected until somebody reads, then every replica takes them all at once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from framework.core.callback import Callback, Save
from framework.core.errors import TierError
from framework.core.threads import blas_threads
from framework.training.compiled.build import NoCompilerError
from framework.training.compiled.step import CompiledStep, refusal
from framework.training.learner import Learner
from framework.training.state import Trainer
from framework.training.step import Batch, TrainState
from framework.training.update import check_compiled, rate


class Waiting(NamedTuple):
    """A step that is to be taken: its number, its row in the block of results, and its examples (1 or R, N)."""

    number: int
    place: int
    rows: np.ndarray


class CompiledTrainer(Trainer):
    """A `Trainer` whose steps run as compiled code, replica by replica, on as many threads as the training may use.

    Raises:
        TierError: the step cannot be traced or compiled; the message says why.
    """

    tier = "compiled"

    def __init__(self, stack: TrainState, callbacks: Sequence[Callback], save: Save | None = None) -> None:
        super().__init__(stack, callbacks, save)
        check_supported(stack)
        self.waiting: list[Waiting] = []
        self.steps: dict[int, CompiledStep] = {}
        self.threads = stack.threads or blas_threads()
        self.pool = ThreadPoolExecutor(self.threads)  # its threads start when they are first needed
        self.memory = [aligned(0)] * self.threads
        self.options_table: tuple[Learner, np.ndarray] | None = None
        for n in {self.plan.update_size, self.plan.n % self.plan.update_size or self.plan.update_size}:
            self.compiled(n)

    def compiled(self, n: int) -> CompiledStep:
        """The step for batches of n examples."""
        if n not in self.steps:
            measures = self.stack.learner.measures if self.options.train_metrics else {}
            try:
                with np.errstate(all="ignore"):
                    self.steps[n] = CompiledStep(self.stack, len(self.columns), measures, n)
            except NoCompilerError as error:
                raise TierError(str(error)) from error
            except Exception as error:  # code that knows arrays of NumPy only may fail in any way
                raise TierError(f"the step cannot be traced: {refusal(error)}") from error
        return self.steps[n]

    def update(self, batch: Batch) -> None:
        """Note a step, which is taken when its results are read; one that probes see runs in the array tier."""
        if self.watch.due(self.step + 1):
            self._take_all()
            super().update(batch)
            return
        rows = batch.rows
        whole = np.arange(rows.start, min(rows.stop, self.plan.n))[None] if isinstance(rows, slice) else rows
        self.waiting.append(Waiting(self.step, self.unread, whole))
        self.count()

    @property
    def validates(self) -> bool:
        """Only where there is anything to measure: more steps can then be taken at once."""
        return "val" in self.stack.feeds or bool(self.stack.learner.measures and self.options.train_metrics)

    def batches(self) -> Iterator[Batch]:
        """As in the array tier; metrics of the training split begin with an epoch."""
        if self.options.train_metrics and self.stack.learner.measures:
            self._take_all()
        return super().batches()

    def read(self) -> None:
        """Take the steps that wait, and report what they gave."""
        self._take_all()
        super().read()

    def _take_all(self) -> None:
        """Take the steps that wait, as many at once as have equal batches."""
        for _, steps in itertools.groupby(self.waiting, lambda each: each.rows.shape[-1]):
            self._take(list(steps))
        self.waiting = []

    def _take(self, steps: Sequence[Waiting]) -> None:
        s, step = self.stack, self.compiled(steps[0].rows.shape[-1])
        replicas, count, numbers = s.members.size, len(steps), [each.number for each in steps]
        rows = np.ascontiguousarray(np.stack([each.rows for each in steps], 1), np.int64)  # (1 or R, K, N)
        counters = np.array([[float(s.state[name]) for name in step.counters]] * replicas).reshape(replicas, -1)
        for name in step.slots:  # the code writes to their memory
            s.state[name] = np.require(s.state[name], requirements=("C", "W"))
        shared = [rows, self._rates(numbers), self._options(step), counters, s.w]
        shared += [*(s.state[name] for name in step.slots), *step.fields_of(s)]
        out = np.empty((replicas, count, len(self.columns)), s.dtype)
        counts = {name: np.empty((replicas, count, k), s.dtype) for name, k in step.counts.items()}

        def train(replica: int, memory: np.ndarray) -> None:
            draws = step.drawn(s.keys[replica], numbers)
            own = [a[replica if len(a) > 1 else 0] for a in (*shared, out, *counts.values())]
            step.call(count, numbers[0], (*own, *draws, memory))

        self._on_threads(replicas, step.workspace, train)
        places = [each.place for each in steps]
        self.block[places] = out.swapaxes(0, 1)
        for i, name in enumerate(step.counters):
            s.state[name] = type(s.state[name])(counters[0, i])
        for name, found in counts.items():
            total = found.sum(1, dtype=s.dtype)
            self.tally.counts[name] = self.tally.counts[name] + total if name in self.tally.counts else total

    def _options(self, step: CompiledStep) -> np.ndarray:
        """The options in which the replicas that are left differ."""
        learner = self.stack.learner
        if self.options_table is None or self.options_table[0] is not learner:
            self.options_table = (learner, step.options_of(learner, self.stack.members.size))
        return self.options_table[1]

    def _rates(self, steps: Sequence[int]) -> np.ndarray:
        """The learning rate of every step, (1 or R, K)."""
        s = self.stack
        found = []
        for number in steps:
            ctx = s.context(number)
            lr = np.asarray(
                rate(s.learner.optimizer, s.learner.schedule, number, self.total, np.zeros((1,), np.float64), ctx)
            )
            found.append(lr.reshape(-1))
        width = max(map(len, found))
        return np.ascontiguousarray(np.stack([np.broadcast_to(lr, (width,)) for lr in found], 1))

    def _on_threads(self, replicas: int, size: int, train: Callable[[int, np.ndarray], None]) -> None:
        """Let every thread take the next replica until there is none; each has its own memory."""
        threads, left = min(self.threads, replicas), itertools.count()

        def work(thread: int) -> None:
            if self.memory[thread].size < size:
                self.memory[thread] = aligned(size)
            while (replica := next(left)) < replicas:
                train(replica, self.memory[thread])

        if threads == 1:
            work(0)
        else:
            list(self.pool.map(work, range(threads)))


def check_supported(s: TrainState) -> None:
    """
    Raises:
        TierError: the training has something that the compiled tier does not do yet.
    """
    check_compiled(s.xp)
    options = s.learner.options
    found = {
        "trainer.accumulate": options.accumulate != 1,
        "trainer.bptt": options.bptt.chunk is not None or options.bptt.lag is not None,
        "dataset.stateful": s.data.stateful,
        "augmentation": s.augmenter is not None,
    }
    for what, has in found.items():
        if has:
            raise TierError(f"{what} is not compiled yet")


def aligned(size: int) -> np.ndarray:
    """Memory that begins at a multiple of 64 bytes."""
    memory = np.empty(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start:]
