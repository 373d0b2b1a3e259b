"""Training by code that takes many steps at once: steps are collected until somebody reads."""

from __future__ import annotations

import itertools
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from framework.core.arrays import Array
from framework.core.callback import Callback, Save
from framework.core.context import Context
from framework.core.errors import ContractError, TierError
from framework.core.log import log
from framework.core.random import Key
from framework.data.loader import DataLoader
from framework.inference.evaluation import MetricAccumulator, over_batches
from framework.training.compiled.build import NoCompilerError
from framework.training.compiled.parameter_groups import check_groups_compile
from framework.training.compiled.passes import EvaluationPass, Kind, Measures, StepPass, refusal
from framework.training.learner import Learner
from framework.training.state import Trainer
from framework.training.step import Batch, Rows, TrainState
from framework.training.update import rate

GIVEN = 32 << 20  # bytes of random numbers and augmented examples that a replica is given at once
OUTPUTS = 1 << 17  # values that the nodes output for a batch of an evaluation, so that it stays in the cache; ...
EXAMPLES = 512  # ... and its examples


class Waiting(NamedTuple):
    """A step that is to be taken: its number, its row in the block of results, and its batch."""

    number: int
    place: int
    batch: Batch


class DeferredTrainer(Trainer):
    """A `Trainer` whose steps run as compiled code, many at once.

    Raises:
        TierError: the step cannot be traced or compiled; the message says why.
    """

    def __init__(self, stack: TrainState, callbacks: Sequence[Callback], save: Save | None = None) -> None:
        super().__init__(stack, callbacks, save)
        check_groups_compile(stack.learner)
        self.waiting: list[Waiting] = []
        self.steps: dict[Kind, Any] = {}
        self.evaluations: dict[tuple[DataLoader, int], Any] = {}
        self.untraced: set[DataLoader] = set()  # splits that the array tier evaluates
        self.options_table: tuple[Learner, np.ndarray] | None = None

    def prepare(self) -> None:
        """Trace and compile the steps of an epoch."""
        for kind in self._kinds():
            self.compiled(kind)
        try:
            self.compile(list(self.steps.values()))
        except NoCompilerError as error:
            raise TierError(str(error)) from error

    @abstractmethod
    def step_of(self, kind: Kind, measures: Measures, carried: Mapping[str, tuple[int, ...]]) -> StepPass:
        """The step for batches of a kind."""

    @abstractmethod
    def evaluation_of(self, learner: Learner, feed: DataLoader, n: int) -> EvaluationPass:
        """The evaluation of batches of n examples of a split."""

    @abstractmethod
    def compile(self, passes: Sequence[Any]) -> None:
        """Compile what is not compiled yet.

        Raises:
            NoCompilerError: that is not possible.
        """

    @abstractmethod
    def take(self, steps: Sequence[Waiting], step: Any) -> None:
        """Take steps that have equal batches."""

    @abstractmethod
    def measure(
        self, evaluation: Any, learner: Learner, w: Array, feed: DataLoader, rows: np.ndarray
    ) -> tuple[Array, dict[str, Array]]:
        """The loss (R,) of batches of one size, and the counts of the metrics, batch by batch."""

    @property
    def settings(self) -> Learner:
        """The learner of the stack, with options on the host."""
        return self.stack.learner

    def at_once(self, step: StepPass) -> int:
        """How many steps may be given their numbers at once."""
        return max(1, GIVEN // max(1, step.given))

    def _kinds(self) -> Iterator[Kind]:
        """The kinds of batches that an epoch has."""
        plan, stateful = self.plan, self.stack.data.stateful
        for n in dict.fromkeys((plan.update_size, plan.n % plan.update_size or plan.update_size)):
            for i, times in enumerate(plan.chunks):
                if i == 0:
                    yield Kind(n, _length(times))
                if i > 0 or stateful:
                    yield Kind(n, _length(times), goes_on=True)

    def compiled(self, kind: Kind) -> Any:
        """The step for batches of a kind."""
        if kind not in self.steps:
            measures = self.stack.learner.measures if self.options.train_metrics else {}
            carried = self.compiled(kind._replace(goes_on=False)).carried if kind.goes_on else {}
            try:
                with np.errstate(all="ignore"):
                    self.steps[kind] = self.step_of(kind, measures, carried)
            except NoCompilerError as error:  # the compiler says what the processor offers
                raise TierError(str(error)) from error
            except ContractError:  # wrong in every tier
                raise
            except Exception as error:  # code that knows arrays of NumPy only may fail in any way
                raise TierError(f"the step cannot be traced: {refusal(error)}") from error
        return self.steps[kind]

    def update(self, batch: Batch) -> None:
        """Note a step, which is taken when its results are read; one that probes see runs in the array tier."""
        if self.is_watched(self.step + 1):
            self._take_all()
            super().update(batch)
            return
        self.waiting.append(Waiting(self.step, self.unread, batch))
        self.count()

    @property
    def validates(self) -> bool:
        """Only where there is anything to measure: more steps can then be taken at once."""
        on_training = "train/loss" in (self.options.early_stopping.monitor, self.rungs and self.rungs.options.metric)
        on_training = on_training or bool(self.stack.schedules.monitored)
        return "val" in self.stack.feeds or on_training or bool(self.stack.learner.measures and self.options.train_metrics)

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
        """Take the steps that wait, as many at once as have equal batches and may be given their numbers."""
        for kind, alike in itertools.groupby(self.waiting, lambda each: self._kind(each.batch)):
            steps, most = list(alike), self.at_once(self.compiled(kind))
            for first in range(0, len(steps), most):
                self.take(steps[first : first + most], self.compiled(kind))
        self.waiting = []

    def _kind(self, batch: Batch) -> Kind:
        rows = batch.rows
        n = min(rows.stop, self.plan.n) - rows.start if isinstance(rows, slice) else rows.shape[-1]
        return Kind(n, _length(batch.times), batch.goes_on)

    def evaluated(self, learner: Learner, w: Array, keys: Sequence[Key], feed: DataLoader) -> Mapping[str, Array]:
        """As in the array tier, replica by replica; what cannot be traced is evaluated there."""
        parts = self._evaluations(learner, feed)
        if not parts:
            return super().evaluated(learner, w, keys, feed)
        found = [self.measure(evaluation, learner, w, feed, rows) for evaluation, rows in parts]
        tally = MetricAccumulator(learner.measures)
        for name, measure in learner.measures.items():
            for _, counts in found:
                tally.add_counts(name, over_batches(measure.metric, counts[name]), self.stack.xp)
        ctx = Context(self.stack.xp, (len(keys),), tuple(keys), step=self.step)
        return {"loss": sum(loss for loss, _ in found), **tally.values(ctx)}

    def _evaluations(self, learner: Learner, feed: DataLoader) -> list[tuple[Any, np.ndarray]]:
        """The evaluations of a split with their rows; none if it cannot be traced."""
        if feed.stateful or feed in self.untraced:
            return []
        try:
            found = [(self._evaluation(learner, feed, n), rows) for n, rows in self._blocks(feed)]
            self.compile([evaluation for evaluation, _ in found])
            return found
        except Exception as error:  # as in `compiled`
            if not self.untraced:
                log.info("losses and metrics are measured in the array tier: %s", refusal(error))
            self.untraced.add(feed)
            return []

    def _blocks(self, feed: DataLoader) -> list[tuple[int, np.ndarray]]:
        """Sizes of the batches of a split, with the rows (K, N) of all batches of that size."""
        outputs = sum(prod(feed.longest if n is None else n for n in shape) for shape in self.stack.shapes.values())
        size = even(feed.n, min(EXAMPLES, max(1, OUTPUTS // outputs)))
        whole = feed.n // size * size
        found = [(size, np.arange(whole).reshape(-1, size))]
        return found if whole == feed.n else [*found, (feed.n - whole, np.arange(whole, feed.n)[None])]

    def _evaluation(self, learner: Learner, feed: DataLoader, n: int) -> Any:
        """The evaluation of batches of n examples of a split."""
        if (feed, n) not in self.evaluations:
            with np.errstate(all="ignore"):
                self.evaluations[feed, n] = self.evaluation_of(learner, feed, n)
        return self.evaluations[feed, n]

    def given(
        self, step: StepPass, numbers: Sequence[int], rows: np.ndarray, starts: np.ndarray
    ) -> Callable[[int], list[np.ndarray]]:
        """What each replica is given for these steps: random numbers and augmented fields, made once where all have the
        same."""
        s = self.stack

        def of(replica: int) -> list[np.ndarray]:
            own = rows[replica if len(rows) > 1 else 0]
            return [*step.drawn(s.keys[replica], numbers), *step.augmented(s, replica, numbers, own, starts)]

        if len(s.keys) == 1 or len(set(s.keys)) > 1 or not (s.augmenter is None or s.augmenter.is_shared):
            return of
        once = of(0)
        return lambda _: once

    def options_for(self, step: StepPass) -> np.ndarray:
        """The options in which the replicas that are left differ."""
        learner = self.settings
        if self.options_table is None or self.options_table[0] is not learner:
            self.options_table = (learner, step.options_of(learner, self.stack.members.size))
        return self.options_table[1]

    def rates(self, steps: Sequence[int]) -> np.ndarray:
        """The learning rate of every step, and the values of scheduled options, (1 or R, K, 1 + options)."""
        s, learner, like = self.stack, self.settings, np.zeros((1,), np.float64)
        ctx = s.context(steps[0], xp=np)
        found = [rate(learner.optimizer, s.schedules.factor(number, self.total), like, ctx) for number in steps]
        if not (s.schedules.paths or s.learner.groups) and all(isinstance(lr, float) for lr in found):
            return np.array(found)[None, :, None]
        columns = [[np.asarray(lr).reshape(-1) for lr in found]]
        columns += [[s.schedules.value(path, number, self.total) for number in steps] for path in s.schedules.paths]
        if s.learner.groups:
            columns.append([np.asarray(s.schedules.factor(number, self.total)).reshape(-1) for number in steps])
        width = max(len(value) for values in columns for value in values)
        rates = [[np.broadcast_to(value, (width,)) for value in values] for values in columns]
        return np.ascontiguousarray(np.array(rates).transpose(2, 1, 0))


def rows_of(batches: Sequence[Rows], n: int) -> np.ndarray:
    """The rows of batches of n examples, (1 or R, K, n)."""
    starts = [each.start for each in batches if isinstance(each, slice)]
    if starts:
        return np.array(starts, np.int64)[None, :, None] + np.arange(n)
    together = np.concatenate([each for each in batches if isinstance(each, np.ndarray)], -1, dtype=np.int64)
    return together.reshape(len(together), len(batches), n)


def _length(times: slice | None) -> int | None:
    return None if times is None else int(times.stop - times.start)


def even(n: int, most: int) -> int:
    """The size of batches of n examples, at most `most`: such that all are equally large, if they are not too small then."""
    return next((size for size in range(min(n, most), most // 2, -1) if n % size == 0), min(n, most))
