"""Runs an experiment and records it from start to end: a training, a stack of them, or a study."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from framework.core.callback import Callback, Snapshot, StartedRun, TrainingResult
from framework.core.errors import ConfigError, RunFailed
from framework.core.signals import StoppedRun, StopRequest, deferred
from framework.core.study import Findings
from framework.core.writing import lasting_together
from framework.experiments import artifacts, provenance
from framework.experiments.experiment import Experiment, prepare
from framework.experiments.failures import MISTAKES, failure_of, reason_of, write_traceback
from framework.experiments.predictions import write_held_out
from framework.experiments.study import FirstMemberCallback, record_findings
from framework.inference import model
from framework.inference.baselines import baseline_metrics
from framework.tracking.mlflow import PATIENCE, MlflowRun
from framework.tracking.mlflow_process import MlflowWriterPool
from framework.tracking.run_dir import RunLocation, remember
from framework.tracking.run_record import CHECKPOINT, RunRecord, claimed_by_us
from framework.training.continued import train_on
from framework.training.trainer import train

__all__ = ["Experiment", "JobResult", "RunFailed", "RunLocation", "prepare", "run", "run_stack"]


@dataclass(frozen=True)
class JobResult:
    """The result of a run.

    Attributes:
        status: finished, stopped_early, diverged or killed; `reason` gives the details.
        metrics: the last value of every metric, test/... included.
        outcome: the training's outcome, weights included; without weights after a study.
        folder: the folder of the run.
        findings: of a study.
    """

    status: str
    reason: str
    metrics: dict[str, float]
    seconds: float
    outcome: TrainingResult
    folder: Path
    findings: Findings | None = None


SHARE_OF_TIME = 0.2  # seconds between two transfers of a run to the store, for each run of its stack


@contextmanager
def informed(
    callbacks: Sequence[Callback], experiments: Sequence[Experiment], places: Sequence[RunLocation]
) -> Iterator[list[Callback]]:
    """The callbacks of these runs, the configuration's own among them, between `on_start` and `on_finish`."""
    everyone = [*callbacks, *experiments[0].settings.callbacks.values()]
    pairs = zip(experiments, places, strict=True)
    runs = [StartedRun(place.name, place.folder, own.settings.record, own.steps) for own, place in pairs]
    started: list[Callback] = []
    try:
        for callback in everyone:
            callback.on_start(runs)
            started.append(callback)
        yield everyone
    finally:
        for callback in started:
            callback.on_finish()


def run(
    experiment: Experiment,
    place: RunLocation,
    callbacks: Sequence[Callback] = (),
    resume: bool = False,
    earlier: tuple[Snapshot, int] | None = None,
) -> JobResult:
    """Train and record one network. A stop signal ends it early, recorded with what it has.

    Args:
        resume: continue from the checkpoint in that folder.
        earlier: continue from the state of another run, whose metrics, so many bytes, are in that folder.

    Raises:
        StoppedRun: a signal came; the run is recorded.
        ConfigError: the run in that folder cannot be resumed.
        RunFailed: the training diverged and `trainer.on_divergence` is fail, or an error occurred; the record holds the
            reason.
    """
    settings = experiment.settings
    if settings.study is not None:
        if resume:
            raise ConfigError(f"{place.folder}: a study has no checkpoints; run it again")
        return _raised(run_study(experiment, place, callbacks))
    recorded = RecordingCallback([experiment], [record_of(experiment, place, resume, earlier=earlier)])
    record, stop = recorded.records[0], StopRequest() if resume or "sweep" not in place.tags else None

    def alone() -> list[TrainingResult]:
        with informed(callbacks, [experiment], [place]) as others:
            return train(
                [experiment.learner],
                [experiment.data],
                [settings.seed],
                **experiment.how,
                callbacks=[recorded, *others],
                save=record.save,
                resume=record.snapshot,
                save_end=record.save_end if keeps_end(experiment, place) else None,
                stop=stop,
            )

    result = _raised(recorded.run(alone)[0])
    if stop is not None and stop.name:
        raise StoppedRun(stop.name, result)
    return result


def keeps_end(experiment: Experiment, place: RunLocation) -> bool:
    """Whether a run writes a checkpoint at its end. It takes more room than the weights: hundreds of jobs do not need it."""
    options = experiment.settings.trainer
    if options.checkpoint_at_end is None:
        return options.checkpoint_every is not None or "sweep" not in place.tags
    return options.checkpoint_at_end


def _raised(result: JobResult | RunFailed) -> JobResult:
    if isinstance(result, RunFailed):
        raise result.__cause__ if isinstance(result.__cause__, MISTAKES) else result
    return result


def run_study(
    experiment: Experiment, place: RunLocation, callbacks: Sequence[Callback] = (), feeder: MlflowWriterPool | None = None
) -> JobResult | RunFailed:
    """Run the study of an experiment, and record its findings.

    Args:
        callbacks: for all its trainings.
    """
    study = experiment.settings.study
    assert study is not None
    # A study chooses its own steps; all of them are sent.
    recorded = RecordingCallback(
        [replace(experiment, validations=1)], start_records([replace(experiment, validations=1)], [place], feeder)
    )
    found: list[Findings] = []

    def answered() -> list[TrainingResult]:
        with informed(callbacks, [experiment], [place]) as others:
            found.append(study(replace(experiment, callbacks=tuple(map(FirstMemberCallback, others)))))
        record_findings(recorded.records[0], found[0])
        metrics, failure = found[0].metrics, found[0].failure
        if failure:
            recorded.records[0].end("failed", failure, "FAILED", metrics, settle=False)
            recorded.failed[0] = RunFailed(f"{failure} (more in {recorded.records[0].place.folder})")
        return [TrainingResult(0, "finished", "", len(found[0].rows), 0, {}, metrics=metrics)]

    result = recorded.run(answered)[0]
    return replace(result, findings=found[0]) if isinstance(result, JobResult) else result


def run_stack(
    experiments: Sequence[Experiment],
    places: Sequence[RunLocation],
    callbacks: Sequence[Callback] = (),
    feeder: MlflowWriterPool | None = None,
    resume: Collection[int] = (),
    stop: StopRequest | None = None,
) -> list[JobResult | RunFailed]:
    """Train networks that can share a stack in one pass, and record each as a separate run.

    Args:
        callbacks: are called from several threads; `member` is the index in the list.
        feeder: the processes that write to MLflow; None: this one.
        resume: the members that continue from the checkpoints in their folders.
        stop: a shared request. When a signal comes, every member writes a checkpoint, and the signal is raised.

    Returns:
        The result of each, in order; a failure is returned, not raised.

    Raises:
        CannotStackError: they differ in an option that replicas must share.
    """
    first = experiments[0]
    if first.settings.study is not None:
        return [_run_study(e, place, callbacks, feeder) for e, place in zip(experiments, places, strict=True)]
    try:
        recorded = RecordingCallback(experiments, start_records(experiments, places, feeder, resume))
    except OSError as error:  # runs that cannot start have failed; the sweep continues
        return [failure_of(error) for _ in experiments]
    shared = all(experiment.data is first.data for experiment in experiments)

    def together() -> list[TrainingResult]:
        with informed(callbacks, experiments, places) as others, stop or nullcontext():
            return train_on(
                [experiment.learner for experiment in experiments],
                [first.data] if shared else [experiment.data for experiment in experiments],
                [experiment.settings.seed for experiment in experiments],
                [record.snapshot for record in recorded.records],
                **first.how,
                callbacks=[recorded, *others],
                save=recorded.save,
                # A member that ends before the others would be lost with them.
                save_end=recorded.save_end if keeps_end(first, places[0]) or (stop and len(experiments) > 1) else None,
                stop=stop,
            )

    results = recorded.run(together)
    if (stop or resume) and not keeps_end(first, places[0]):
        _remove_checkpoints(results)
    return results


def _remove_checkpoints(results: Sequence[JobResult | RunFailed]) -> None:
    """Remove the checkpoints of runs that have ended and are not to keep them."""
    for result in results:
        if isinstance(result, JobResult):
            with suppress(OSError):
                (result.folder / CHECKPOINT).unlink(missing_ok=True)


def _run_study(experiment: Experiment, place: RunLocation, *how: Any) -> JobResult | RunFailed:
    try:
        return run_study(experiment, place, *how)
    except OSError as error:
        return failure_of(error)


def start_records(
    experiments: Sequence[Experiment],
    places: Sequence[RunLocation],
    feeder: MlflowWriterPool | None = None,
    resume: Collection[int] = (),
) -> list[RunRecord]:
    """The records of runs that start together, with a common lock."""
    claimed, records = claimed_by_us(places), list[RunRecord]()
    try:
        with lasting_together():
            for i, (experiment, place) in enumerate(zip(experiments, places, strict=True)):
                records.append(record_of(experiment, place, i in resume, claimed=claimed, feeder=feeder))
    except BaseException as error:
        with deferred():
            RecordingCallback(experiments, records).broken_off(error)
            claimed.release()
        raise
    for record in records:
        if record.tracked:  # sending points takes 10 ms or more per run, during which no network trains
            record.tracked.patience = max(PATIENCE, SHARE_OF_TIME * len(records))
    return records


def record_of(experiment: Experiment, place: RunLocation, resume: bool = False, **how: Any) -> RunRecord:
    """The record of one run."""
    remember(place.runs, place.folder.parent if "sweep" in place.tags else place.folder)
    counts, how = (experiment.steps, experiment.validations), {"epoch": experiment.epoch, **how}
    return RunRecord(experiment.settings, place, *counts, experiment.directions, provenance.save_sources, resume, **how)


class RecordingCallback(Callback):
    """Trainings and their records: passes every callback to the record of its member, and ends it."""

    def __init__(self, experiments: Sequence[Experiment], records: Sequence[RunRecord]) -> None:
        self.experiments, self.records = experiments, records
        self.failed: dict[int, RunFailed] = {}
        self.started = time.perf_counter()

    def on_steps(self, member: int, first: int, columns: Sequence[str], rows: np.ndarray) -> None:
        """Pass the rows to the member's record."""
        self.records[member].recorder.on_steps(member, first, columns, rows)

    def on_probe(self, member: int, steps: np.ndarray, columns: Sequence[str], rows: np.ndarray) -> None:
        """Pass the probe values to the member's record."""
        self.records[member].recorder.on_probe(member, steps, columns, rows)

    def on_probe_row(self, member: int, step: int, metric: str, row: np.ndarray) -> None:
        """Pass the row to the member's record."""
        self.records[member].recorder.on_probe_row(member, step, metric, row)

    def on_metrics(self, member: int, step: int, values: Mapping[str, float]) -> None:
        """Pass the metrics to the member's record."""
        self.records[member].recorder.on_metrics(member, step, values)

    def save(self, member: int, arrays: Mapping[str, np.ndarray], plain: Mapping[str, Any]) -> None:
        """Write a checkpoint of a member."""
        self.records[member].save(arrays, plain)

    def save_end(self, member: int, arrays: Mapping[str, np.ndarray], plain: Mapping[str, Any]) -> None:
        """Write the checkpoint of a member's end."""
        self.records[member].save_end(arrays, plain)

    def on_end(self, outcome: TrainingResult) -> None:
        """Record a diverged member as failed at once; the others are still to be measured."""
        record, member = self.records[outcome.member], outcome.member
        record.state["tier"] = outcome.tier
        fails = outcome.status == "diverged" and self.experiments[member].settings.trainer.on_divergence == "fail"
        record.recorder.on_end(None if fails else outcome)
        if fails:
            reason = f"{outcome.reason} at step {outcome.step}"
            record.end("diverged", reason, "FAILED", dict.fromkeys(outcome.metrics, math.nan), settle=False)
            self.failed[member] = RunFailed(f"diverged: {reason} (with trainer.on_divergence=record this is a result)")

    def run(self, training: Callable[[], list[TrainingResult]]) -> list[JobResult | RunFailed]:
        """Train, and record the end of every run, whatever happens."""
        try:
            outcomes = training()
        except KeyboardInterrupt as stop:
            with deferred():
                self.broken_off(stop)
            raise
        except Exception as error:
            with deferred():
                return self._broken(error)
        with deferred():
            with lasting_together():
                results = [self.failed.get(i) or self._closed(i, outcome) for i, outcome in enumerate(outcomes)]
            self._settle()
        return results

    def _closed(self, member: int, outcome: TrainingResult) -> JobResult | RunFailed:
        """End a run; if its files cannot be written it has failed, and the others of its stack continue."""
        try:
            return self._finished(member, outcome)
        except Exception as error:
            self._fail(member, error)
            if not self.records[member].ended:
                self.records[member].end("failed", reason_of(error), "FAILED", {}, settle=False)
            return self.failed[member]

    def _finished(self, member: int, outcome: TrainingResult) -> JobResult:
        record, experiment = self.records[member], self.experiments[member]
        reason = f"{outcome.reason} at step {outcome.step}" if outcome.status == "diverged" else outcome.reason
        if experiment.settings.study is None and experiment.data.baselines and outcome.status != "diverged":
            learner = experiment.learner
            naive = baseline_metrics(experiment.data, learner.heads, learner.measures)
            outcome.metrics.update(naive)
            record.recorder.on_metrics(member, outcome.step, naive)
        kept: dict[str, Any] = {"weights": outcome.kept, "epoch": outcome.kept_epoch, "step": outcome.kept_step}
        kept |= {"epochs": outcome.epoch, "steps": outcome.step, "note": outcome.kept_text}
        note = None if experiment.settings.study is not None else kept
        ended = {"status": outcome.status, "reason": reason, "kept": kept}
        _log_artifacts(record, experiment, outcome, ended)
        state = "KILLED" if outcome.status == "killed" else "FINISHED"
        record.end(outcome.status, reason, state, outcome.metrics, settle=False, kept=note)
        seconds = time.perf_counter() - self.started
        return JobResult(outcome.status, reason, outcome.metrics, seconds, outcome, record.place.folder)

    def _broken(self, error: Exception) -> list[JobResult | RunFailed]:
        """Record all remaining runs as failed; an error of the user needs no traceback."""
        for i in range(len(self.records)):
            if i not in self.failed:
                self._fail(i, error)
        self.broken_off(error)
        return [self.failed[i] for i in range(len(self.records))]

    def _fail(self, member: int, error: Exception) -> None:
        path = None if isinstance(error, MISTAKES) else write_traceback(self.records[member])
        self.failed[member] = failure_of(error, f" (traceback in {path})" if path else "")

    def broken_off(self, error: BaseException) -> None:
        """End all running records as killed or failed."""
        if isinstance(error, KeyboardInterrupt):
            self._end_all("killed", f"stopped by {str(error) or 'Ctrl-C'}", "KILLED")
        else:
            self._end_all("failed", reason_of(error), "FAILED")

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


def _log_artifacts(record: RunRecord, experiment: Experiment, outcome: TrainingResult, ended: Mapping[str, Any]) -> None:
    """Log model, figures and note for a single run, only the model for a job of a sweep."""
    place = record.place
    record.recorder.sync()
    if experiment.settings.study is not None:
        return
    model.save(place.folder, outcome.weights, experiment.data, experiment.scale)
    if experiment.settings.folds is not None:
        write_held_out(place.folder, experiment, outcome.weights)
    if "sweep" not in place.tags:
        tracked = record.tracked if isinstance(record.tracked, MlflowRun) else None
        data, scale = experiment.measured
        trained = model.Model.of(experiment.learner, outcome.weights, data, scale)
        note, own = place.command or place.name, experiment.settings.figures
        artifacts.log_artifacts(place.folder, tracked, trained, data, outcome.metrics, note, own, ended)
