"""Training in the compiled tier: steps are collected until somebody reads, then every replica takes them all at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from framework.core.callback import Callback, Save
from framework.core.errors import TierError
from framework.core.threads import blas_threads
from framework.training.compiled.build import NoCompilerError
from framework.training.compiled.graph import UntraceableError
from framework.training.compiled.step import CompiledStep, pointer, refusal
from framework.training.state import Trainer
from framework.training.step import Batch, TrainState
from framework.training.update import check_compiled, rate


class CompiledTrainer(Trainer):
    """A `Trainer` whose steps run as compiled code, replica by replica, on as many threads as the training may use.

    Raises:
        TierError: the step cannot be traced or compiled; the message says why.
    """

    def __init__(self, stack: TrainState, callbacks: Sequence[Callback], save: Save | None = None) -> None:
        super().__init__(stack, callbacks, save, "array")
        check_supported(stack)
        self.waiting: list[tuple[int, np.ndarray]] = []  # steps to take: their number, and the rows (1 or R, N) of each
        self.steps: dict[int, CompiledStep] = {}
        self.threads = stack.threads or blas_threads()
        for n in {self.plan.update_size, self.plan.n % self.plan.update_size or self.plan.update_size}:
            self.compiled(n)

    def compiled(self, n: int) -> CompiledStep:
        """The step for batches of n examples."""
        if n not in self.steps:
            measures = self.stack.learner.measures if self.options.train_metrics else {}
            try:
                with np.errstate(all="ignore"):
                    self.steps[n] = CompiledStep(self.stack, len(self.columns), measures, n)
            except UntraceableError as error:
                raise TierError(f"the step cannot be traced: {refusal(error)}") from error
            except NoCompilerError as error:
                raise TierError(str(error)) from error
        return self.steps[n]

    def update(self, batch: Batch) -> None:
        """Note a step; it is taken when its results are read."""
        rows = batch.rows
        whole = np.arange(rows.start, min(rows.stop, self.plan.n))[None] if isinstance(rows, slice) else rows
        self.waiting.append((self.step, whole))
        self.count()

    def batches(self) -> Iterator[Batch]:
        """As in the array tier; metrics of the training split begin with an epoch."""
        self._take_all()
        return super().batches()

    def read(self) -> None:
        """Take the steps that wait, and report what they gave."""
        self._take_all()
        super().read()

    def _take_all(self) -> None:
        """Take the steps that wait, as many at once as have equal batches."""
        at = 0
        while at < len(self.waiting):
            n = self.waiting[at][1].shape[-1]
            stop = next((i for i in range(at, len(self.waiting)) if self.waiting[i][1].shape[-1] != n), len(self.waiting))
            self._take(self.waiting[at:stop], self.unread - len(self.waiting) + at)
            at = stop
        self.waiting = []

    def _take(self, steps: Sequence[tuple[int, np.ndarray]], first: int) -> None:
        """Take steps of equal batches; `first` is the place of their first row in the block."""
        s, step = self.stack, self.compiled(steps[0][1].shape[-1])
        replicas, count = s.members.size, len(steps)
        rows = np.ascontiguousarray(np.stack([rows for _, rows in steps], 1), np.int64)  # (1 or R, K, N)
        lrs = np.ascontiguousarray(self._rates([number for number, _ in steps]))
        options = step.options_of(s.learner, replicas)
        numbers = np.array([[float(s.state[name]) for name in step.numbers]] * replicas).reshape(replicas, -1)
        out = np.empty((replicas, count, len(self.columns)), s.dtype)
        counts = {name: np.empty((replicas, count, k), s.dtype) for name, k in step.counts.items()}
        fields = step.fields_of(s)

        def train(replica: int, memory: np.ndarray) -> None:
            own = lambda a: pointer(a[replica if len(a) > 1 else 0])  # noqa: E731
            arrays = [
                rows,
                lrs,
                options,
                numbers,
                s.w,
                *(s.state[name] for name in step.slots),
                *fields,
                out,
                *counts.values(),
            ]
            step.call(count, *map(own, arrays), pointer(memory))

        self._on_threads(replicas, step.workspace, train)
        self.block[first : first + count] = out.swapaxes(0, 1)
        for i, name in enumerate(step.numbers):
            s.state[name] = type(s.state[name])(numbers[0, i])
        for name, found in counts.items():
            total = found.sum(1, dtype=s.dtype)
            self.tally.counts[name] = self.tally.counts[name] + total if name in self.tally.counts else total

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
        return np.stack([np.broadcast_to(lr, (width,)) for lr in found], 1)

    def _on_threads(self, replicas: int, size: int, train: Any) -> None:
        threads = min(self.threads, replicas)
        if threads == 1:
            memory = aligned(size)
            for replica in range(replicas):
                train(replica, memory)
            return

        def some(thread: int) -> None:
            memory = aligned(size)
            for replica in range(thread, replicas, threads):
                train(replica, memory)

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(some, range(threads)))


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
        "probes": bool(s.learner.probes),
    }
    for what, has in found.items():
        if has:
            raise TierError(f"{what} is not compiled yet")


def aligned(size: int) -> np.ndarray:
    """Memory that begins at a multiple of 64 bytes."""
    memory = np.empty(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start:]
