"""`Trainer`: the state of a training of R networks, and what happens at each step, read, validation and end."""

from __future__ import annotations

import copy
import itertools
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from framework.config.options import TrainerOptions
from framework.core.arrays import Array, to_host
from framework.core.callback import Callback, Save, Status, TrainingResult
from framework.core.context import Context
from framework.core.direction import lower_is_better
from framework.core.random import Key
from framework.data.loader import BatchSampler, DataLoader
from framework.data.validation import far_from_scale
from framework.inference.evaluation import MetricAccumulator, evaluate
from framework.nn.training_step import PreviousStep
from framework.training.early_stopping import BestTracker
from framework.training.learner import Learner, directions
from framework.training.plan import TrainingPlan
from framework.training.probes import ProbeReadings, ProbeRunner
from framework.training.pruning import Rungs, rungs_of
from framework.training.step import Batch, TrainState, train_step

QUICK = 5.0  # seconds that the validation of a stopped training may take


class Trainer:
    """The state of a training: the stack, the step, values not yet read from the device, and finished members.

    Attributes:
        step, total: updates done, and the maximum.
        epoch, done: the current epoch, from 1, and the updates done in it.
        outcomes: of the members that have ended.
        losses, loss_steps: the training losses (R,) since the last validation, summed, and their number.
        save_end: receives the state with which a longer training goes on.
        rungs: decide which members are pruned; None: the option is not used.
        at_rung: member -> the latest value of the metric of pruning.
        tier: how steps run.
    """

    tier: Literal["array", "compiled", "cuda"] = "array"

    def __init__(self, stack: TrainState, callbacks: Sequence[Callback], save: Save | None = None) -> None:
        self.stack, self.callbacks, self.save = stack, callbacks, save
        self.options: TrainerOptions = stack.learner.options
        self.plan = TrainingPlan.of(self.options, stack.data)
        self.total = self.plan.steps
        self.columns = _columns(stack)
        self.block = stack.xp.empty((stack.members.size, self.options.read_every, len(self.columns)), stack.dtype)
        self.step = self.done = self.unread = 0
        self.epoch = 1
        self.tally = MetricAccumulator({})
        self.watch = ProbeRunner(stack.xp, self.options.probe_every if stack.learner.probes else 0, self.total)
        self.previous: PreviousStep | None = None  # of the next step that probes see, if one of them reads it
        self.keeps_previous = any(getattr(probe, "previous", False) for probe in stack.learner.probes.values())
        monitor = self.options.early_stopping.monitor
        lower = lower_is_better(monitor, directions(stack.learner))
        self.best = BestTracker(self.options.early_stopping, stack.members.size, lower)
        self.best_w = stack.w.copy() if self.options.keeps_best else None
        self.losses, self.loss_steps = np.zeros(stack.members.size), 0
        self.outcomes: dict[int, TrainingResult] = {}
        self.latest: dict[int, dict[str, float]] = {int(member): {} for member in stack.members}
        self.at_best: dict[int, dict[str, float]] = {int(member): {} for member in stack.members}
        self.save_end: Save | None = None
        self.rungs: Rungs | None = rungs_of(stack.learner)
        self.at_rung, self.last_rung = dict[int, float](), 0
        self.validated_at, self.validation_seconds = 0, math.nan  # the last validation
        self.clock = (time.perf_counter(), 0)  # when the first step of this process began, and its number

    def batches(self) -> Iterator[Batch]:
        """The remaining batches of this epoch, sequences chunk by chunk."""
        stateful = self.stack.data.stateful
        self.rows = BatchSampler(
            self.plan.n, self.plan.update_size, self.stack.keys, self.epoch, self.options.shuffle, stateful
        )
        if not self.done:
            self.tally = MetricAccumulator(self.stack.learner.measures if self.options.train_metrics else {})
        cuts = itertools.product(self.rows.starts, enumerate(self.plan.chunks))
        # Rows are read lazily, so that they belong to the replicas that remain then.
        return (
            Batch(self.rows.at(start), times, i > 0 or (stateful and start > 0))
            for start, (i, times) in itertools.islice(cuts, self.done, None)
        )

    def update(self, batch: Batch) -> None:
        """One training step; losses and norms stay on the device until the block is full."""
        s, watched = self.stack, self.is_watched(self.step + 1)
        seen = train_step(s, batch, self.step, self.total, self.tally, self.block[:, self.unread], watched)
        before, self.previous = self.previous, None
        if seen is not None and self.watch.due(self.step + 1):
            self.watch.look(self.step + 1, s.learner.probes, replace(seen, previous=before))
        if seen is not None and self.keeps_previous:
            self.previous = PreviousStep(seen.loss, s.g.copy(), seen.w)
        self.count()

    def is_watched(self, step: int) -> bool:
        """Whether probes see a step, counted from 1, or the next one and this one as its previous one."""
        return self.watch.due(step) or (self.keeps_previous and self.watch.due(step + 1))

    def count(self) -> None:
        """Count a step; read and save where it is time to."""
        self.step += 1
        self.done += 1
        self.unread += 1
        due = self.save and self.options.checkpoint_every and self.step % self.options.checkpoint_every == 0
        if due or self.unread == self.options.read_every:
            self.read()
        if due and self.save and self.stack.members.size:
            self.save(*self.snapshot())

    def read(self) -> None:
        """Read the block and the values of probes from the device, pass them on, and drop replicas with non-finite
        values."""
        if not self.unread:
            return
        rows = np.array(to_host(self.block[:, : self.unread]))  # a copy: the block is reused
        first, self.unread = self.step - self.unread + 1, 0
        looks = self.watch.read()
        self.losses, self.loss_steps = self.losses + rows[:, :, 0].sum(1), self.loss_steps + rows.shape[1]
        bad = ~np.isfinite(rows[:, :, 0] + rows[:, :, self.columns.index("grad_norm/total")])
        finite = np.where(bad.any(1), bad.argmax(1) + 1, rows.shape[1]).tolist()  # rows up to the first that is not
        for r, (member, upto) in enumerate(zip(self.stack.members.tolist(), finite, strict=True)):
            for callback in self.callbacks:
                callback.on_steps(member, first, self.columns, rows[r, :upto])
            if looks is not None:
                self.probed(r, looks, first + upto - 1)
        if bad.any():
            steps = first + bad.argmax(1)
            targets = {head.target for head in self.stack.learner.heads.values() if head.target}
            reason = "the loss or the gradient is no longer finite" + far_from_scale(self.stack.data, targets)
            self.leave(bad.any(1), "diverged", reason, steps)

    def probed(self, r: int, looks: ProbeReadings, last: int) -> None:
        """Pass on the probe values of a replica, up to the step `last`, its last finite one."""
        steps = looks.steps[looks.steps <= last]
        if len(steps):
            for callback in self.callbacks:
                callback.on_probe(int(self.stack.members[r]), steps, looks.columns, looks.values[: len(steps), :, r])
        for step, metric, row in looks.rows:
            if step <= last:
                for callback in self.callbacks:
                    callback.on_probe_row(int(self.stack.members[r]), step, metric, row[r])

    @property
    def validates(self) -> bool:
        """Whether an epoch ends with a reading."""
        return True

    def validate(self, ends: bool = True) -> None:
        """Validate, keep the best weights, and drop replicas that have exhausted their patience.

        Args:
            ends: whether early stopping may end replicas.
        """
        s, learner, began = self.stack, self.stack.learner, time.perf_counter()
        if not s.members.size:
            return
        values = {f"train/{name}": value for name, value in self.tally.values(s.context(self.step)).items()}
        if "val" in s.feeds:
            val = self.evaluated(learner, s.w, s.keys, s.feeds["val"])
            values |= {f"val/{name}": value for name, value in val.items()}
        host = {name: to_host(value) for name, value in values.items()}
        for r, member in enumerate(s.members):
            self.measured(int(member), {name: float(value[r]) for name, value in host.items()})
        host["train/loss"] = self.losses / max(1, self.loss_steps)
        s.schedules.validated(host, directions(learner))
        self.losses, self.loss_steps = np.zeros(s.members.size), 0
        self.validated_at, self.validation_seconds = self.step, time.perf_counter() - began
        ends = ends and self.step < self.total
        if self.rungs is not None and (ranks_by := self.rungs.options.metric) in host:
            self.at_rung |= zip(s.members.tolist(), map(float, host[ranks_by]), strict=True)
        self._keep_best(host, ends)
        if ends and self.rungs is not None and self.epoch in self.rungs.options.at:
            self._prune(self.rungs)

    def evaluated(self, learner: Learner, w: Array, keys: Sequence[Key], feed: DataLoader) -> Mapping[str, Array]:
        """`loss` and every metric (R,) of a split.

        Args:
            learner: of a stack with these weights (R, P + Q) and keys.
        """
        s = self.stack
        network = s.evaluated if learner is s.learner else s.passes_of(learner)
        ctx = Context(s.xp, (len(keys),), tuple(keys), step=self.step)
        return evaluate(network, learner.heads, learner.measures, s.arena.views(w), feed, ctx)

    def _keep_best(self, values: Mapping[str, np.ndarray], ends: bool) -> None:
        monitor = self.options.early_stopping.monitor
        if monitor not in values:
            return  # no early stopping: nothing is monitored
        reached = self.best.reached(values[monitor])
        improved = self.best.update(values[monitor], self.epoch)
        if self.best_w is not None:
            on_device = self.stack.xp.asarray(improved)
            self.best_w[on_device] = self.stack.w[on_device]
        for member in self.stack.members[improved].tolist():
            self.at_best[member] = dict(self.latest[member])
        if ends:
            self._end_early(reached)

    def _end_early(self, reached: np.ndarray) -> None:
        """End the replicas (R,) that have reached the goal, and those that have exhausted their patience."""
        stopping = self.options.early_stopping
        if reached.any():
            self.leave(reached, "stopped_early", f"{stopping.monitor} has reached {stopping.goal:g}")
        exhausted = self.best.exhausted()
        if exhausted.any():
            reason = f"{stopping.monitor} has not improved in {stopping.patience} validations"
            self.leave(exhausted, "stopped_early", reason)

    def _prune(self, rungs: Rungs) -> None:
        """End the replicas that are not among the best at this rung."""
        rungs.report(self.epoch, self._rung_values())
        found, members = rungs.standings(self.epoch), self.stack.members.tolist()
        self.last_rung = self.epoch
        lost = {m: found[m].reason(rungs.options.metric, self.epoch) for m in members if not found[m].goes_on}
        if lost:
            self.leave(np.isin(self.stack.members, list(lost)), "pruned", lost)

    def _rung_values(self) -> dict[int, float]:
        """The values by which the members are ranked that no rung has ended."""
        ended = {member: outcome.status for member, outcome in self.outcomes.items()}
        values = {m: math.nan if ended.get(m) == "diverged" else value for m, value in self.at_rung.items()}
        values |= {member: math.nan for member in ended if member not in values}
        return {member: value for member, value in sorted(values.items()) if ended.get(member) != "pruned"}

    def end_rungs(self) -> None:
        """Report the values of members that ended before the last rungs: jobs of other stacks are compared with them."""
        if self.rungs is not None:
            for epoch in self.rungs.options.at:
                if epoch > self.last_rung:
                    self.rungs.finish(epoch, self._rung_values())

    def end_restored(self, left: Mapping[Any, str]) -> None:
        """End the replicas whose restored state is that of an early stop, and those that `left`, pruned, for a reason."""
        self.batches()
        if left:
            everyone = np.ones(self.stack.members.size, bool)
            self.leave(everyone, "pruned", {int(member): reason for member, reason in left.items()})
        elif self.step < self.total:
            self._end_early(self.best.reached(self.best.value))

    def stop(self, by: str, measure: bool = True) -> None:
        """End all replicas before their time: save their state, then `measure` their weights if that is quick."""
        self.read()
        if not self.stack.members.size:
            return
        save = self.save_end or self.save
        if save:
            save(*self.snapshot())
        if measure and self.validated_at != self.step and self._validation_time() < QUICK:
            self.validate(ends=False)
        epochs, epoch = (math.ceil(step / self.plan.updates_per_epoch) for step in (self.total, self.step))
        reason = f"stopped by {by} in epoch {epoch} of {epochs}, at step {self.step} of {self.total}"
        self.leave(np.ones(self.stack.members.size, bool), "killed", reason)

    def _validation_time(self) -> float:
        """Seconds that a validation takes: as the last one, or at most the time of as many training examples."""
        if "val" not in self.stack.feeds or not math.isnan(self.validation_seconds):
            return 0.0 if "val" not in self.stack.feeds else self.validation_seconds
        began, first = self.clock
        per_step = (time.perf_counter() - began) / max(1, self.step - first)
        return float(per_step * self.stack.feeds["val"].n / self.plan.update_size)

    def measured(self, member: int, values: Mapping[str, float]) -> None:
        """Pass on metrics, and remember the latest."""
        self.latest[member].update(values)
        for callback in self.callbacks:
            callback.on_metrics(member, self.step, values)

    def leave(
        self, who: np.ndarray, status: Status, reason: str | Mapping[int, str], steps: np.ndarray | None = None
    ) -> None:
        """End the replicas `who` (R,) and drop them from the stack.

        Args:
            reason: of all, or of each member.
        """
        s = self.stack
        if status in ("stopped_early", "pruned") and self.save_end:
            arrays, plain = self.snapshot(who)
            self.save_end(arrays, plain if isinstance(reason, str) else {**plain, "left": dict(reason)})
        # A training that is stopped before its first validation has no best weights.
        last = self.best_w is None or (status == "killed" and not self.best.epoch.any())
        w = to_host(s.w if last else self.best_w)
        for r in np.flatnonzero(who):
            member, step = int(s.members[r]), self.step if steps is None else int(steps[r])
            epoch = math.ceil(step / self.plan.updates_per_epoch)
            why = reason if isinstance(reason, str) else reason[member]
            outcome = TrainingResult(member, status, why, step, epoch, s.arena.views(w[r].copy()), tier=self.tier)
            outcome.best_epoch, outcome.best = int(self.best.epoch[r]), float(self.best.value[r])
            self._report_kept(outcome, last)
            self.outcomes[member] = outcome
            for callback in self.callbacks:
                callback.on_end(outcome)
        keep = ~who
        self.best.keep_replicas(keep)
        self.losses = self.losses[keep]
        s.keep_replicas(keep)
        self.rows.keep_replicas(keep)
        self.tally.keep_replicas(s.xp.asarray(keep))
        self.block = self.block[s.xp.asarray(keep)]
        if self.previous is not None:
            self.previous = PreviousStep(*(a[s.xp.asarray(keep)] for a in self.previous))
        if self.best_w is not None:
            self.best_w = self.best_w[s.xp.asarray(keep)]

    def _report_kept(self, outcome: TrainingResult, last: bool) -> None:
        """Report the metrics of the weights that are kept: the last ones, or the best."""
        if not last:
            outcome.kept, outcome.kept_epoch = "best", outcome.best_epoch
            outcome.kept_step = min(outcome.best_epoch * self.plan.updates_per_epoch, self.step)
            outcome.metrics = dict(self.at_best[outcome.member])
            return
        outcome.kept_epoch, outcome.kept_step = outcome.epoch, outcome.step
        outcome.metrics = dict(self.latest[outcome.member])
        if outcome.status == "diverged":  # these metrics belong to earlier weights
            outcome.metrics = dict.fromkeys(outcome.metrics, math.nan)

    def snapshot(self, who: np.ndarray | None = None) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Everything that another process needs to continue exactly: arrays, and plain values.

        Args:
            who: of these replicas (R,) only, whose epoch and its validation are over; None: of all, within the epoch.
        """
        s, best = self.stack, self.best
        arrays = {
            "w": s.w,
            "members": s.members,
            "best.value": best.value,
            "best.epoch": best.epoch,
            "best.stale": best.stale,
            "losses": self.losses,
        }
        arrays |= s.schedules.snapshot()
        if self.previous is not None:
            arrays |= {f"previous.{name}": a for name, a in self.previous._asdict().items()}
        arrays |= {f"state.{name}": a for name, a in s.state.items() if hasattr(a, "ndim")}
        arrays |= {f"tally.{name}": a for name, a in self.tally.counts.items()}
        arrays |= {f"carry.{name}": a for name, a in s.carry.items()}
        arrays |= {} if self.best_w is None else {"best_w": self.best_w}
        for member, outcome in self.outcomes.items():
            arrays[f"ended.{member}"] = s.arena.fill([outcome.weights], s.dtype)
        ended = {m: {k: v for k, v in vars(o).items() if k != "weights"} for m, o in self.outcomes.items()}
        plain = dict[str, Any](tier=self.tier, step=self.step, epoch=self.epoch, done=self.done, ended=ended)
        plain |= {"latest": self.latest, "at_best": self.at_best, "loss_steps": self.loss_steps, "tensors": s.arena.layout}
        plain["state"] = {name: a for name, a in s.state.items() if not hasattr(a, "ndim")}
        host = {name: np.array(to_host(a)) for name, a in arrays.items()}
        if who is not None:
            plain |= {"epoch": self.epoch + 1, "done": 0}
            host = {name: a[who] if len(a) == len(who) > 1 else a for name, a in host.items()}
        return host, copy.deepcopy(plain)

    def restore(self, arrays: Mapping[str, np.ndarray], plain: Mapping[str, Any]) -> None:
        """Restore a snapshot.

        Raises:
            CheckpointError: it is that of another network.
        """
        s, on_device = self.stack, self.stack.xp.array
        s.arena.check_layout(plain.get("tensors", s.arena.layout))  # older snapshots lack it
        keep = np.isin(s.members, arrays["members"])
        s.keep_replicas(keep)
        s.w[...] = on_device(arrays["w"])
        s.carry = {k.removeprefix("carry."): on_device(a) for k, a in arrays.items() if k.startswith("carry.")}
        for name in s.state:
            s.state[name] = plain["state"][name] if name in plain["state"] else on_device(arrays[f"state.{name}"])
        s.schedules.restore(arrays)
        if "previous.w" in arrays:
            self.previous = PreviousStep(*(on_device(arrays[f"previous.{name}"]) for name in PreviousStep._fields))
        self.best.value, self.best.epoch, self.best.stale = (arrays[f"best.{k}"].copy() for k in ("value", "epoch", "stale"))
        self.losses = arrays.get("losses", np.zeros(len(s.members))).copy()  # older snapshots lack it
        self.loss_steps = plain.get("loss_steps", 0)
        self.block = self.block[: len(s.members)]
        self.best_w = None if self.best_w is None else on_device(arrays["best_w"])
        self.step, self.epoch, self.done = plain["step"], plain["epoch"], plain["done"]
        self.last_rung = self.epoch - 1
        self.latest = {int(member): dict(values) for member, values in plain["latest"].items()}
        self.at_best = {int(member): dict(values) for member, values in plain["at_best"].items()}
        self.tally = MetricAccumulator(s.learner.measures if self.options.train_metrics else {})
        for key in (key for key in arrays if key.startswith("tally.")):
            self.tally.add_counts(key.removeprefix("tally."), on_device(arrays[key]), s.xp)
        for member, values in plain["ended"].items():
            weights = s.arena.views(arrays[f"ended.{member}"][0])
            self.outcomes[int(member)] = TrainingResult(**{**values, "weights": weights})


def _columns(s: TrainState) -> tuple[str, ...]:
    """The columns of a training step's row."""
    penalty = ("train/penalty",) if s.learner.regularizers else ()
    return ("train/loss", *penalty, "grad_norm/total", *(f"grad_norm/{layer}" for layer in s.arena.layers))
