"""Successive halving (Jamieson & Talwalkar 2016): after certain epochs, the rungs, only the best jobs of a sweep continue.

    n_1 = n,   n_(k+1) = max(1, floor(keep n_k))

n settings start, and n_k of them are ranked at rung k by the value of a metric. Jobs that repeat a setting, with other seeds
or folds, count as one, by their mean. A job that has diverged is the worst; one that has ended early keeps its last value.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from framework.config.options import Prune
from framework.core.direction import lower_is_better
from framework.core.errors import did_you_mean
from framework.core.signals import StopRequest
from framework.training.learner import Learner, directions

Entry = tuple[str, float]  # the setting of a job, and its value at a rung


@dataclass(frozen=True)
class Standing:
    """The place of a job at a rung.

    Attributes:
        value: of the job.
        mean: of the jobs with its setting, if there are several; NaN otherwise.
        rank: of its setting, from 1.
        of, kept: settings that were ranked, and that continue.
    """

    value: float
    mean: float
    rank: int
    of: int
    kept: int

    @property
    def goes_on(self) -> bool:
        """Whether the job is trained further."""
        return self.rank <= self.kept

    def reason(self, metric: str, epoch: int) -> str:
        """`val/loss 0.61 after epoch 5 has rank 40 of 64; the best 32 were kept`."""
        mean = "" if math.isnan(self.mean) else f" (mean of its setting {self.mean:.4g})"
        kept = "the best was" if self.kept == 1 else f"the best {self.kept} were"
        return f"{metric} {self.value:.4g}{mean} after epoch {epoch} has rank {self.rank} of {self.of}; {kept} kept"


def ranked(entries: Mapping[str, Entry], keep: float, lower_is_better: bool) -> dict[str, Standing]:
    """Job -> its place. Of equal settings the first is the better one; what is not finite is the worst.

    Args:
        entries: in an order that does not depend on which job was faster.
    """
    settings: dict[str, list[float]] = {}
    for setting, value in entries.values():
        settings.setdefault(setting, []).append(value)
    means = {setting: sum(values) / len(values) for setting, values in settings.items()}
    sign = 1 if lower_is_better else -1
    order = sorted(means, key=lambda setting: sign * means[setting] if math.isfinite(means[setting]) else math.inf)
    ranks, of = {setting: place for place, setting in enumerate(order, 1)}, len(order)
    kept = max(1, math.floor(keep * of * (1 + 1e-12)))
    return {
        job: Standing(value, means[s] if len(settings[s]) > 1 else math.nan, ranks[s], of, kept)
        for job, (s, value) in entries.items()
    }


class Rungs:
    """The values of the members of a stack at the rungs, and which of them continue.

    Args:
        options: the rungs.
        lower_is_better: of the metric.
    """

    def __init__(self, options: Prune, lower_is_better: bool) -> None:
        self.options, self.lower_is_better = options, lower_is_better
        self.values: dict[int, dict[int, float]] = {}  # epoch -> member -> value
        self.found: dict[int, Mapping[int, Standing]] = {}

    def report(self, epoch: int, values: Mapping[int, float]) -> None:
        """Receive the values of members that have not been pruned before."""
        self.values.setdefault(epoch, {}).update(values)

    def standings(self, epoch: int) -> Mapping[int, Standing]:
        """The places of the members, once all of them have reported."""
        if epoch not in self.found:
            entries = {str(member): (str(member), value) for member, value in sorted(self.values[epoch].items())}
            places = ranked(entries, self.options.keep, self.lower_is_better)
            self.found[epoch] = {member: places[str(member)] for member in self.values[epoch]}
        return self.found[epoch]

    def finish(self, epoch: int, values: Mapping[int, float]) -> None:
        """As `report`, at a rung that no member has reached: all have ended before."""
        if values:
            self.report(epoch, values)
            self.standings(epoch)


def rungs_of(learner: Learner) -> Rungs | None:
    """The rungs of a stack of such learners, whose members are compared with one another; None without pruning."""
    options = learner.options.prune
    return Rungs(options, lower_is_better(options.metric, directions(learner))) if options.at else None


class Meeting:
    """Where the slices of a stack wait for one another at a rung.

    Args:
        slices: their number.
        at_once: how many of them run at a time.
        stop: set where training is to end.
        stopped: raised then.
        halt: with a name when a signal has come.
    """

    def __init__(
        self,
        slices: int,
        at_once: int,
        stop: threading.Event,
        stopped: type[Exception],
        halt: StopRequest | None = None,
    ) -> None:
        self.slices, self.stop, self.stopped, self.halt = slices, stop, stopped, halt
        self.turns, self.condition = threading.Semaphore(at_once), threading.Condition()
        self.arrived: dict[int, int] = {}

    def arrive(self, epoch: int, note: Callable[[], None]) -> bool:
        """Note the values of a slice; returns whether it was the last one."""
        with self.condition:
            note()
            self.arrived[epoch] = self.arrived.get(epoch, 0) + 1
            self.condition.notify_all()
            return self.arrived[epoch] == self.slices

    def wait(self, epoch: int) -> None:
        """Wait for the other slices; meanwhile another one runs."""
        self.turns.release()
        try:
            with self.condition:
                while self.arrived[epoch] < self.slices and not self.is_over():
                    self.condition.wait(SECONDS)
                apart = self.arrived[epoch] < self.slices
        finally:
            self.turns.acquire()
        if self.stop.is_set() or apart:
            raise self.stopped

    def is_over(self) -> bool:
        """Whether training is to end."""
        return self.stop.is_set() or bool(self.halt is not None and self.halt.name)


SECONDS = 0.2  # between checks whether training is to end


class SliceRungs(Rungs):
    """The rungs of a slice, whose members are compared with those of all slices.

    Args:
        whole: of the stack.
        first: the first member of the slice.
    """

    def __init__(self, whole: Rungs, first: int, meeting: Meeting) -> None:
        super().__init__(whole.options, whole.lower_is_better)
        self.whole, self.first, self.meeting = whole, first, meeting

    def _arrive(self, epoch: int, values: Mapping[int, float]) -> bool:
        own = {self.first + member: value for member, value in values.items()}
        return self.meeting.arrive(epoch, lambda: self.whole.report(epoch, own))

    def report(self, epoch: int, values: Mapping[int, float]) -> None:
        """Pass the values on, and wait for the other slices."""
        self.values[epoch] = dict(values)
        self._arrive(epoch, values)
        self.meeting.wait(epoch)

    def standings(self, epoch: int) -> Mapping[int, Standing]:
        """The places of the slice's members."""
        with self.meeting.condition:
            found = self.whole.standings(epoch)
        return {member: found[self.first + member] for member in self.values[epoch]}

    def finish(self, epoch: int, values: Mapping[int, float]) -> None:
        """Pass the values on; nobody waits."""
        if self._arrive(epoch, values) and self.whole.values[epoch]:
            with self.meeting.condition:
                self.whole.standings(epoch)


def check_pruning(options: Prune, measured: Sequence[str], epochs: int, validate_every: int) -> None:
    """Check the rungs against the training.

    Args:
        measured: the metrics of a validation.
        epochs: of the training.

    Raises:
        ValueError: an epoch has no validation, or is not within the training; or the metric is not measured.
    """
    if not options.at:
        return
    at = list(options.at)
    if at != sorted(set(at)) or at[0] < 1:
        raise ValueError(f"trainer.prune.at: epochs from 1 on, in increasing order (got {at})")
    if at[-1] >= epochs:
        raise ValueError(f"trainer.prune.at: {at[-1]} is not before the last epoch, {epochs}: pruning there saves nothing")
    if missed := [epoch for epoch in at if epoch % validate_every]:
        raise ValueError(f"trainer.prune.at: no validation after epoch {missed[0]}; trainer.validate_every={validate_every}")
    if options.metric not in measured:
        raise ValueError(f"trainer.prune.metric: '{options.metric}' is not measured{did_you_mean(options.metric, measured)}")


def pruning_warnings(options: Prune, groups: int) -> list[str]:
    """A warning about rungs that have no effect.

    Args:
        groups: of jobs that are compared, with one setting each; 0: a run alone.
    """
    if not options.at:
        return [] if options == Prune() else ["trainer.prune: no effect without the epochs trainer.prune.at"]
    why = "all jobs have one setting, of which they are repetitions" if groups else "a run alone has no other jobs"
    if groups > 1:
        why = f"all settings differ in data set or loss, so that their {options.metric} cannot be compared"
    return [f"trainer.prune.at: no effect (got {list(options.at)}); {why}"]
