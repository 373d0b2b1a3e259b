"""Training in the compiled tier: every replica takes the steps that wait all at once, on threads."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager

import numpy as np

from framework.core.arrays import Array
from framework.core.callback import Callback, Save
from framework.core.threads import blas_threads
from framework.data.loader import DataLoader
from framework.inference.evaluation import over_batches
from framework.training.compiled.deferred import DeferredTrainer, Waiting, rows_of
from framework.training.compiled.memory import allocated
from framework.training.compiled.passes import Kind, Measures
from framework.training.compiled.step import CompiledEvaluation, CompiledPass, CompiledStep
from framework.training.learner import Learner
from framework.training.step import TrainState
from framework.training.update import check_compiled

TEAM = 256  # bytes, more than `struct team` has


class CompiledTrainer(DeferredTrainer):
    """A `Trainer` whose steps run as C, replica by replica, on as many threads as the training may use.

    Args:
        timed: whether the code of a step measures its kernels.

    Raises:
        TierError: the step cannot be traced or compiled; the message says why.
    """

    tier = "compiled"

    def __init__(
        self, stack: TrainState, callbacks: Sequence[Callback], save: Save | None = None, timed: bool = False
    ) -> None:
        super().__init__(stack, callbacks, save)
        check_compiled(stack.xp)
        self.timed = timed
        self.threads = stack.threads or blas_threads()
        self.pool = ThreadPoolExecutor(self.threads)  # its threads start when they are first needed
        self.memory = [allocated(0)] * self.threads
        self.prepare()

    def step_of(self, kind: Kind, measures: Measures, carried: Mapping[str, tuple[int, ...]]) -> CompiledStep:
        """A step in C."""
        return CompiledStep(self.stack, len(self.columns), measures, kind, carried, self.timed)

    def evaluation_of(self, learner: Learner, feed: DataLoader, n: int) -> CompiledEvaluation:
        """An evaluation in C."""
        return CompiledEvaluation(self.stack, learner, feed, n)

    def compile(self, passes: Sequence[CompiledPass]) -> None:
        """Compile side by side what is not compiled yet."""
        compiling = [self.pool.submit(lambda each: each.library, each) for each in passes]
        wait(compiling)  # also where one has failed
        for each in compiling:
            each.result()

    def take(self, steps: Sequence[Waiting], step: CompiledStep) -> None:
        """Take steps on threads."""
        s, replicas, count, numbers = self.stack, self.stack.members.size, len(steps), [each.number for each in steps]
        rows = rows_of([each.batch.rows for each in steps], step.n)
        counters = np.array([[float(s.state[name]) for name in step.counters]] * replicas).reshape(replicas, -1)
        taken: set[int] = set()
        for name in step.slots:  # the code writes to their memory, which each has for itself
            own = np.require(s.state[name], requirements=("C", "W"))
            s.state[name] = own.copy() if own.ctypes.data in taken else own
            taken.add(s.state[name].ctypes.data)
        starts = np.array([0 if each.batch.times is None else each.batch.times.start for each in steps], np.int64)
        states = step.states(s)
        shared = [rows, starts[None], self.rates(numbers), self.options_for(step), counters, step.keys(s.keys), s.w]
        shared += [*(s.state[name] for name in step.slots), *states.values(), *step.fields_of(s.feeds["train"])]
        place = steps[0].place
        out = self.block[:, place : place + count]
        counts = step.counted(replicas, count)
        given = self.given(step, numbers, rows, starts) if step.given else None
        self._run(step, count, numbers[0], replicas, [*shared, out, *counts.values()], given)
        s.carry = states
        for i, name in enumerate(step.counters):
            s.state[name] = type(s.state[name])(counters[0, i])
        for name, found in counts.items():
            self.tally.add_counts(name, over_batches(self.tally.measures[name].metric, found), np)

    def measure(
        self, step: CompiledEvaluation, learner: Learner, w: Array, feed: DataLoader, rows: np.ndarray
    ) -> tuple[Array, dict[str, Array]]:
        """The loss (R,) of batches of one size, and the counts of the metrics, batch by batch."""
        replicas, count = len(w), len(rows)
        shared = [rows[None].astype(np.int64), np.zeros((1, count), np.int64), np.zeros((1, count))]
        shared += [step.options_of(learner, replicas), np.zeros((1, 0)), np.zeros((1, 0), np.uint64)]
        shared += [np.ascontiguousarray(w), *step.fields_of(feed)]
        out, counts = np.empty((replicas, count, 1), self.stack.dtype), step.counted(replicas, count)
        self._run(step, count, self.step, replicas, [*shared, out, *counts.values()])
        return out[..., 0].sum(1), counts

    def _run(
        self,
        step: CompiledPass,
        count: int,
        first: int,
        replicas: int,
        arrays: Sequence[np.ndarray],
        given: Callable[[int], list[np.ndarray]] | None = None,
    ) -> None:
        """Take steps for all replicas, on threads: each takes the next replica until there is none, and has its own memory.
        A thread without a replica helps another one."""
        threads, turn = min(self.threads, replicas), np.array([0, replicas])
        helpers, left = self.threads - threads if step.is_shared else 0, itertools.count()

        def work(thread: int) -> None:
            if self.memory[thread].size < step.workspace:
                self.memory[thread] = allocated(step.workspace)
            memory = self.memory[thread]
            with self._team(step, helpers // threads + (thread < helpers % threads)) as team:
                if given is None:
                    step.call_all(count, first, turn, arrays, memory, team)
                    return
                while (replica := next(left)) < turn[1]:
                    step.call(count, first, (*_own(arrays, replica), *given(replica), memory), team)

        try:
            list(self.pool.map(work, range(threads)))
        except BaseException:
            turn[1] = 0  # Ctrl-C reaches this thread only, which therefore waits
            raise

    @contextmanager
    def _team(self, step: CompiledPass, helpers: int) -> Iterator[np.ndarray | None]:
        """Memory through which so many threads help another one."""
        if not helpers:
            yield None
            return
        team, working = allocated(TEAM), []
        team[:] = 0
        try:
            working += [self.pool.submit(step.help, team) for _ in range(helpers)]
            yield team
        finally:
            step.dismiss(team)
            wait(working)


def _own(arrays: Sequence[np.ndarray], replica: int) -> list[np.ndarray]:
    """The part of a replica; an array for all has one row."""
    return [a[replica if len(a) > 1 else 0] for a in arrays]
