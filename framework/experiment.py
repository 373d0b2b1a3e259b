"""A judged configuration becomes data, a network, a training and a record of it."""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from framework import artifacts, model
from framework.arrays import DeviceError, array_module
from framework.assembling import assemble
from framework.chunking import chunks
from framework.components import Params
from framework.config import ConfigError, Settings
from framework.data import Data
from framework.feeding import Feeder
from framework.learner import Learner
from framework.loading import load_data, scaled_data
from framework.mlflow_store import PATIENCE, TrackedRun
from framework.record import Place, Record, claimed_by_us
from framework.registry import nearest
from framework.restoring import load
from framework.scaling import Scale
from framework.slicing import train_sliced
from framework.training import Observer, Outcome, train
from framework.updating import TierError, refuse_compiled

__all__ = ["Experiment", "Place", "Result", "RunFailed", "expected", "prepare", "run", "run_stack"]


@dataclass(frozen=True)
class Result:
    """What a run gives back.

    Attributes:
        status: finished, stopped_early or diverged; reason says more.
        metrics: the last value of everything measured, test/... included.
        outcome: the training's outcome, weights included.
        folder: where everything is written.
    """

    status: str
    reason: str
    metrics: dict[str, float]
    seconds: float
    outcome: Outcome
    folder: Path


SHARE_OF_TIME = 0.2  # seconds between two sendings of a run, for each run of its stack


class RunFailed(RuntimeError):  # noqa: N818
    """A run did not reach its end; the message says why, its folder has the rest."""


@dataclass(frozen=True)
class Experiment:
    """Settings that have met their data: everything is there, nothing is recorded yet.

    Attributes:
        xp: the array module.
        data, scale: the data set, scaled, and how.
        steps, validations: how many a training that is not stopped early will have.
    """

    settings: Settings
    xp: Any
    data: Data
    scale: Scale
    learner: Learner
    steps: int
    validations: int


def prepare(settings: Settings) -> Experiment:
    """Load the data and put the learner together.

    Raises:
        ConfigError: the device or the tier cannot be used, or the settings and the data do not go together.
    """
    try:
        xp = array_module(settings.device)
    except DeviceError as error:
        raise ConfigError(f"device: {settings.device!r} cannot be used here: {error}") from error
    if settings.tier == "compiled":
        try:
            refuse_compiled(xp)
        except TierError as error:
            raise ConfigError(f"tier: 'compiled' cannot be used here: {error}") from error
    data = load_data(settings)
    learner = assemble(settings, data)
    if settings.init_from is not None:
        learner = replace(learner, initial=initial_weights(learner, settings))
    targets = {head.target for head in learner.heads.values()}
    data, scale = scaled_data(settings, data, [name for name in data.fields if name not in targets])
    return Experiment(settings, xp, data, scale, learner, *expected(settings, data))


def initial_weights(learner: Learner, settings: Settings) -> dict[str, Params]:
    """The tensors of the nodes that the run `model.init_from` has too.

    Raises:
        ConfigError: the run has no model, none of the nodes, or tensors of other shapes.
    """
    run_of = settings.init_from
    weights = load(str(run_of)).weights
    wanted, _ = learner.network.init(settings.seed)
    shared = {node: tensors for node, tensors in weights.items() if wanted.get(node)}
    if not shared:
        raise ConfigError(f"model.init_from: {run_of} has none of these layers{nearest(next(iter(wanted)), weights)}")
    for node, tensors in shared.items():
        given, needed = ({t: a.shape for t, a in p.items()} for p in (tensors, wanted[node]))
        if given != needed:
            raise ConfigError(
                f"model.init_from: layer '{node}' of {run_of} has {given}, and here it has {needed}; "
                "a layer that is to begin anew needs another name"
            )
    return shared


def run(experiment: Experiment, place: Place, observers: Sequence[Observer] = (), resume: bool = False) -> Result:
    """Train and record one network.

    Args:
        resume: go on from the checkpoint in that place.

    Raises:
        ConfigError: the run in that place cannot be taken up again.
        RunFailed: the training diverged and `trainer.on_divergence` is fail, or something broke; the record says so.
    """
    settings = experiment.settings
    recorded = Recorded([experiment], [Record(settings, place, experiment.steps, experiment.validations, resume)])
    record = recorded.records[0]

    def alone() -> list[Outcome]:
        return train(
            [experiment.learner],
            [experiment.data],
            [settings.seed],
            **_how(experiment),
            observers=[recorded, *observers],
            save=record.save,
            resume=record.snapshot,
        )

    result = recorded.run(alone)[0]
    if isinstance(result, RunFailed):
        raise result
    return result


def run_stack(
    experiments: Sequence[Experiment],
    places: Sequence[Place],
    observers: Sequence[Observer] = (),
    feeder: Feeder | None = None,
) -> list[Result | RunFailed]:
    """Train networks that can share a stack in one pass, and record each as a run of its own.

    Args:
        observers: are called from several threads; `member` is the place in the list.
        feeder: the process that feeds the store; None: this one does.

    Returns:
        How each ended, in order; a failure is handed back, not raised.

    Raises:
        CannotStackError: they differ in something that replicas must share.
    """
    first = experiments[0]
    shared = all(experiment.data is first.data for experiment in experiments)
    recorded = Recorded(experiments, begin(experiments, places, feeder))

    def together() -> list[Outcome]:
        return train_sliced(
            [experiment.learner for experiment in experiments],
            [first.data] if shared else [experiment.data for experiment in experiments],
            [experiment.settings.seed for experiment in experiments],
            **_how(first),
            observers=[recorded, *observers],
            save=recorded.save,
        )

    return recorded.run(together)


def _how(experiment: Experiment) -> dict[str, Any]:
    """What the trainings of a stack share."""
    settings = experiment.settings
    threads = None if settings.threads == "auto" else settings.threads
    return {"xp": experiment.xp, "dtype": settings.dtype, "threads": threads, "tier": settings.tier}


def begin(experiments: Sequence[Experiment], places: Sequence[Place], feeder: Feeder | None = None) -> list[Record]:
    """The records of runs that begin together, under one claim."""
    claimed = claimed_by_us(places)
    pairs = zip(experiments, places, strict=True)
    records = [Record(e.settings, place, e.steps, e.validations, claimed=claimed, feeder=feeder) for e, place in pairs]
    for record in records:
        if record.tracked:  # to send points takes each run 10 ms or more, in which no network trains
            record.tracked.patience = max(PATIENCE, SHARE_OF_TIME * len(records))
    return records


class Recorded:
    """Trainings and their records: an observer that hands each record what happens to its member, and ends it."""

    def __init__(self, experiments: Sequence[Experiment], records: Sequence[Record]) -> None:
        self.experiments, self.records = experiments, records
        self.failed: dict[int, RunFailed] = {}
        self.started = time.perf_counter()

    def steps(self, member: int, first: int, columns: Sequence[str], rows: np.ndarray) -> None:
        """Of one member."""
        self.records[member].recorder.steps(member, first, columns, rows)

    def probed(self, member: int, steps: np.ndarray, columns: Sequence[str], rows: np.ndarray) -> None:
        """Of one member."""
        self.records[member].recorder.probed(member, steps, columns, rows)

    def probed_row(self, member: int, step: int, metric: str, row: np.ndarray) -> None:
        """Of one member."""
        self.records[member].recorder.probed_row(member, step, metric, row)

    def measured(self, member: int, step: int, values: Mapping[str, float]) -> None:
        """Of one member."""
        self.records[member].recorder.measured(member, step, values)

    def save(self, member: int, arrays: Mapping[str, np.ndarray], plain: Mapping[str, Any]) -> None:
        """A checkpoint of one member."""
        self.records[member].save(arrays, plain)

    def ended(self, outcome: Outcome) -> None:
        """A member that has failed is a failed run at once; the others are still to be measured."""
        record, member = self.records[outcome.member], outcome.member
        record.recorder.ended(outcome)
        if outcome.status == "diverged" and self.experiments[member].settings.trainer.on_divergence == "fail":
            reason = f"{outcome.reason} at step {outcome.step}"
            record.end("diverged", reason, "FAILED", outcome.metrics, settle=False)
            self.failed[member] = RunFailed(f"diverged: {reason} (trainer.on_divergence=record makes this a result)")

    def run(self, training: Callable[[], list[Outcome]]) -> list[Result | RunFailed]:
        """Train, and end every record truly, whatever happens."""
        try:
            outcomes = training()
        except KeyboardInterrupt as stop:
            self._end_all("killed", f"stopped by {stop or 'Ctrl-C'}", "KILLED")
            raise
        except Exception as error:
            return self._broken(error)
        results = [self.failed.get(i) or self._finished(i, outcome) for i, outcome in enumerate(outcomes)]
        self._settle()
        return results

    def _finished(self, member: int, outcome: Outcome) -> Result:
        record, experiment = self.records[member], self.experiments[member]
        reason = f"{outcome.reason} at step {outcome.step}" if outcome.status == "diverged" else outcome.reason
        _leave(record, experiment, outcome)
        record.end(outcome.status, reason, "FINISHED", outcome.metrics, settle=False)
        seconds = time.perf_counter() - self.started
        return Result(outcome.status, reason, outcome.metrics, seconds, outcome, record.place.folder)

    def _broken(self, error: Exception) -> list[Result | RunFailed]:
        told = f"{type(error).__name__}: {error}"
        for i, record in enumerate(self.records):
            if i not in self.failed:
                where = record.place.folder / "traceback.txt"
                where.write_text(traceback.format_exc(), encoding="utf-8")
                if record.tracked:
                    record.tracked.artifact(where)
                self.failed[i] = RunFailed(f"{told} (traceback in {where})")
                self.failed[i].__cause__ = error
        self._end_all("failed", told, "FAILED")
        return [self.failed[i] for i in range(len(self.records))]

    def _end_all(self, status: str, reason: str, state: str) -> None:
        for record in self.records:
            if not record.ended:
                record.end(status, reason, state, {}, settle=False)
        self._settle()

    def _settle(self) -> None:
        for record in self.records:
            if record.feeder is None:
                record.settle()
            else:
                record.feeder.settlements.append(record.settle)


def _leave(record: Record, experiment: Experiment, outcome: Outcome) -> None:
    """Model, figures and note, for a single run; the jobs of a sweep leave the model alone."""
    place = record.place
    record.recorder.flush()
    model.save(place.folder, outcome.weights, experiment.data, experiment.scale)
    if "sweep" not in place.tags:
        tracked = record.tracked if isinstance(record.tracked, TrackedRun) else None
        artifacts.leave(place.folder, tracked, experiment.data, outcome.metrics, place.command or place.name)


def expected(settings: Settings, data: Data) -> tuple[int, int]:
    """Steps and validations of a training that is not stopped early."""
    options, n = settings.trainer, len(next(iter(data.splits["train"].values())))
    size = n if options.batch_size == "all" else min(options.batch_size, n)
    per_epoch = math.ceil(n / min(size * options.accumulate, n)) * len(chunks(data, options.bptt.chunk))
    steps = options.steps or options.epochs * per_epoch
    return steps, max(1, math.ceil(steps / per_epoch / options.validate_every))
