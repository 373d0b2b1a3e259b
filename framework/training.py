"""The training loop: batch, forward, loss, backward, update, observe; for R networks at once.

A replica that has stopped, early or because its numbers are no longer finite, leaves the stack; the others go on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Literal, Protocol

import numpy as np

from framework.arrays import Array, to_host
from framework.components import Params
from framework.context import Context
from framework.data import Data, EpochRows, Feed
from framework.learner import Learner, TrainerOptions
from framework.measuring import Tally, evaluate
from framework.stepping import Stack, train_step
from framework.stopping import Best
from framework.streams import Key

Status = Literal["finished", "stopped_early", "diverged"]


class Observer(Protocol):
    """Who wants to know. `member` is the place in the list of learners that training began with."""

    def steps(self, member: int, first: int, columns: Sequence[str], rows: np.ndarray) -> None:
        """Numbers of consecutive training steps, counted from 1: rows (K, len(columns)), row 0 is step `first`."""

    def measured(self, member: int, step: int, values: Mapping[str, float]) -> None:
        """Numbers measured after a step: val/loss, train/accuracy, test/loss ..."""

    def ended(self, outcome: Outcome) -> None:
        """A member has stopped; its test is still to come."""


@dataclass
class Outcome:
    """How the training of one member ended.

    Attributes:
        status: finished, stopped_early or diverged; reason says more.
        step, epoch: of the last update, and the epochs begun.
        best_epoch, best: of the best validation, and the monitored value there.
        weights: node -> tensor -> host array.
        metrics: the last measured values, with test/... at the end.
    """

    member: int
    status: Literal["finished", "stopped_early", "diverged"]
    reason: str
    step: int
    epoch: int
    weights: dict[str, Params]
    best_epoch: int = 0
    best: float = math.nan
    metrics: dict[str, float] = field(default_factory=dict)


def train(
    learners: Sequence[Learner],
    data: Sequence[Data],
    keys: Sequence[Key],
    *,
    xp: Any = np,
    dtype: Any = np.float32,
    observers: Sequence[Observer] = (),
) -> list[Outcome]:
    """Train a stack to its end.

    Args:
        learners: one per member; they may differ in stackable options only.
        data: one data set for all members, or one for each (of equal shapes).
        keys: one random key per member.
        xp, dtype: array module and precision.

    Returns:
        One outcome per member, in order.

    Raises:
        CannotStackError: the learners differ in something else.
        ValueError: the data lack what the options ask for, or a network cannot be built.
    """
    run = Run(Stack(learners, data, keys, xp, dtype), observers)
    options, everything = run.options, run.stack.learner
    with np.errstate(all="ignore"):  # numbers that are not finite are found and reported by `read`
        for epoch in count(1):
            run.begin(epoch)
            for rows in run.rows:
                run.update(rows)
                if run.step == run.total or not run.stack.members.size:
                    break
            if epoch % options.validate_every == 0 or run.step == run.total:
                run.read()
                run.validate()
            if run.step == run.total:
                run.leave(np.ones(run.stack.members.size, bool), "finished", "")
            if not run.stack.members.size:
                break
        _test(run, everything, data, keys)
    return [run.outcomes[member] for member in range(len(keys))]


class Run:
    """The state of a training: the stack, the step, what is still to be read off the device, and who has ended."""

    def __init__(self, stack: Stack, observers: Sequence[Observer]) -> None:
        self.stack, self.observers = stack, observers
        self.options: TrainerOptions = stack.learner.options
        self.n = stack.feeds["train"].n
        size = self.n if self.options.batch_size == "all" else min(self.options.batch_size, self.n)
        self.update_size = min(size * self.options.accumulate, self.n)
        self.total = self.options.steps or self.options.epochs * math.ceil(self.n / self.update_size)
        self.columns = _columns(stack)
        self.block = stack.xp.empty((self.options.read_every, stack.members.size, len(self.columns)), stack.dtype)
        self.step = self.epoch = self.unread = 0
        self.tally = Tally({})
        self.best = Best(self.options.early_stopping, stack.members.size)
        self.best_w = stack.w.copy() if self.options.early_stopping.patience else None
        self.outcomes: dict[int, Outcome] = {}
        self.latest: dict[int, dict[str, float]] = {int(member): {} for member in stack.members}
        if self.options.early_stopping.patience and "val" not in stack.feeds:
            raise ValueError("trainer.early_stopping.patience: the data set has no validation split to watch")

    def begin(self, epoch: int) -> None:
        """Start an epoch."""
        self.epoch = epoch
        self.rows = EpochRows(self.n, self.update_size, self.stack.keys, epoch, self.options.shuffle)
        self.tally = Tally(self.stack.learner.measures if self.options.train_metrics else {})

    def update(self, rows: np.ndarray | slice) -> None:
        """One training step; losses and norms stay on the device until the block is full."""
        train_step(self.stack, rows, self.step, self.total, self.tally, self.block[self.unread])
        self.step += 1
        self.unread += 1
        if self.unread == self.options.read_every:
            self.read()

    def read(self) -> None:
        """Bring the block to the host, hand it on, and let go of replicas whose numbers are no longer finite."""
        rows = to_host(self.block[: self.unread])
        first, self.unread = self.step - self.unread + 1, 0
        bad = ~np.isfinite(rows[:, :, 0] + rows[:, :, self.columns.index("grad_norm/total")])
        for r, member in enumerate(self.stack.members):
            upto = int(bad[:, r].argmax()) + 1 if bad[:, r].any() else len(rows)
            for observer in self.observers:
                observer.steps(int(member), first, self.columns, rows[:upto, r])
        if bad.any():
            steps = first + bad.argmax(0)
            self.leave(bad.any(0), "diverged", "the loss or the gradient is no longer finite", steps)

    def validate(self) -> None:
        """Measure, keep the best, and let go of replicas that have run out of patience."""
        s, learner = self.stack, self.stack.learner
        if not s.members.size:
            return
        values = {f"train/{name}": value for name, value in self.tally.values().items()}
        if "val" in s.feeds:
            ctx = s.context(self.step)
            val = evaluate(learner.network, learner.heads, learner.measures, s.p, s.feeds["val"], ctx)
            values |= {f"val/{name}": value for name, value in val.items()}
        host = {name: to_host(value) for name, value in values.items()}
        for r, member in enumerate(s.members):
            self.measured(int(member), {name: float(value[r]) for name, value in host.items()})
        if "val" in s.feeds:
            self._keep_best(host)

    def _keep_best(self, values: Mapping[str, np.ndarray]) -> None:
        monitor = self.options.early_stopping.monitor
        if monitor not in values:
            raise ValueError(f"trainer.early_stopping.monitor: '{monitor}' is not measured ({', '.join(values)} are)")
        improved = self.best.update(values[monitor], self.epoch)
        if self.best_w is not None:
            on_device = self.stack.xp.asarray(improved)
            self.best_w[on_device] = self.stack.w[on_device]
        patience = self.options.early_stopping.patience
        exhausted = self.best.exhausted()
        if exhausted.any() and self.step < self.total:
            self.leave(exhausted, "stopped_early", f"{monitor} has not improved in {patience} validations")

    def measured(self, member: int, values: Mapping[str, float]) -> None:
        """Pass measured values on, and remember the latest."""
        self.latest[member].update(values)
        for observer in self.observers:
            observer.measured(member, self.step, values)

    def leave(self, who: np.ndarray, status: Status, reason: str, steps: np.ndarray | None = None) -> None:
        """End the replicas `who` (R,) and drop them from the stack."""
        s = self.stack
        w = to_host(s.w if self.best_w is None else self.best_w)
        for r in np.flatnonzero(who):
            member, step = int(s.members[r]), self.step if steps is None else int(steps[r])
            outcome = Outcome(member, status, reason, step, self.epoch, s.arena.views(w[r].copy()))
            outcome.best_epoch, outcome.best = int(self.best.epoch[r]), float(self.best.value[r])
            outcome.metrics = self.latest[member]
            self.outcomes[member] = outcome
            for observer in self.observers:
                observer.ended(outcome)
        keep = ~who
        self.best.take(keep)
        s.take(keep)
        self.rows.take(keep)
        self.tally.take(s.xp.asarray(keep))
        self.block = self.block[:, s.xp.asarray(keep)]
        if self.best_w is not None:
            self.best_w = self.best_w[s.xp.asarray(keep)]


def _columns(s: Stack) -> tuple[str, ...]:
    """What a row of a training step holds."""
    penalty = ("train/penalty",) if s.learner.regularizers else ()
    return ("train/loss", *penalty, "grad_norm/total", *(f"grad_norm/{layer}" for layer in s.arena.layers))


def _test(run: Run, learner: Learner, data: Sequence[Data], keys: Sequence[Key]) -> None:
    """Measure the test split once, at the weights that training ended with."""
    if "test" not in data[0].splits:
        return
    s = run.stack
    outcomes = [run.outcomes[member] for member in range(len(keys))]
    w: Array = s.xp.asarray(s.arena.fill([outcome.weights for outcome in outcomes], s.dtype))
    ctx = Context(s.xp, (len(keys),), tuple(keys), step=run.step)
    feed = Feed(data, "test", s.xp, s.dtype)
    values = evaluate(learner.network, learner.heads, learner.measures, s.arena.views(w), feed, ctx)
    host = {f"test/{name}": to_host(value) for name, value in values.items()}
    for r, outcome in enumerate(outcomes):
        if outcome.status != "diverged":
            run.latest[r].update({name: float(value[r]) for name, value in host.items()})
            for observer in run.observers:
                observer.measured(r, outcome.step, {name: float(value[r]) for name, value in host.items()})
