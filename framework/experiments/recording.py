"""`RecordingCallback`: passes a training to the records of its runs, and records their ends."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from framework.core.callback import Callback, TrainingResult
from framework.core.errors import RunFailed
from framework.core.signals import deferred
from framework.core.study import Findings
from framework.core.writing import lasting_together
from framework.experiments import artifacts
from framework.experiments.experiment import Experiment
from framework.experiments.failures import Failure, failure_of, reason_of, write_traceback
from framework.experiments.predictions import write_held_out
from framework.inference import model
from framework.inference.baselines import baseline_metrics
from framework.tracking.mlflow import MlflowRun
from framework.tracking.run_record import RunRecord
from framework.tracking.writers import RemoteMlflowRun


@dataclass(frozen=True)
class JobResult:
    """The result of a run.

    Attributes:
        status: finished, stopped_early, pruned, diverged or killed; `reason` gives the details.
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


class RecordingCallback(Callback):
    """Trainings and their records: passes every callback to the record of its member, and ends it."""

    def __init__(self, experiments: Sequence[Experiment], records: Sequence[RunRecord]) -> None:
        self.experiments, self.records = experiments, records
        self.failed: dict[int, RunFailed] = {}
        self.settled: set[int] = set()
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
            return self.closed(range(len(outcomes)), outcomes)

    def closed(self, members: Sequence[int], outcomes: Sequence[TrainingResult]) -> list[JobResult | RunFailed]:
        """Record the ends of members whose training is over."""
        with lasting_together():
            ends = zip(members, outcomes, strict=True)
            results = [self.failed.get(member) or self._closed(member, outcome) for member, outcome in ends]
        self._settle(members)
        return results

    def restart(self, members: Sequence[int]) -> None:
        """Empty the records of members that train again from their first step.

        Raises:
            OSError: a file cannot be emptied.
        """
        for member in members:
            self.records[member].restart()

    def fail(self, members: Sequence[int], failure: Failure, more: str = "") -> None:
        """Record that members have failed.

        Args:
            more: for the reason in the record.
        """
        shown = None
        for member in members:
            record = self.records[member]
            path = None if failure.is_mistake else write_traceback(record, failure.trace)
            shown = shown or path  # one, so that a message for all can be printed once
            self.failed[member] = failure_of(failure.error, f"{more}{f' (traceback in {shown})' if shown else ''}")
            if not record.ended:
                record.end("failed", f"{failure.reason}{more}", "FAILED", {}, settle=False)
        self._settle(members)

    def _closed(self, member: int, outcome: TrainingResult) -> JobResult | RunFailed:
        """End a run; if its files cannot be written it has failed, and the others of its stack continue."""
        try:
            return self._finished(member, outcome)
        except Exception as error:
            self.fail([member], Failure.of(error))
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
        self.fail([i for i in range(len(self.records)) if i not in self.failed], Failure.of(error))
        self._settle()
        return [self.failed[i] for i in range(len(self.records))]

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

    def _settle(self, members: Sequence[int] | None = None) -> None:
        """Let the store have the ends of members, by default of all; each once."""
        for member in range(len(self.records)) if members is None else members:
            record = self.records[member]
            if member in self.settled or not record.ended:
                continue
            self.settled.add(member)
            if record.feeder is None:
                record.settle()
            else:
                tracked = record.tracked if isinstance(record.tracked, RemoteMlflowRun) else None
                record.feeder.settlements.append((record.settle, tracked))
        for feeder in {id(record.feeder): record.feeder for record in self.records if record.feeder}.values():
            feeder.settle_known()  # those of earlier stacks


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
