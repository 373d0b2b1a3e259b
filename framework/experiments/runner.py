"""Runs an experiment and records it from start to end: a training, a stack of them, or a study."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from typing import Any

from framework.core.blame import blamed
from framework.core.callback import Callback, Snapshot, StartedRun, TrainingResult
from framework.core.errors import ConfigError, RunFailed
from framework.core.signals import StoppedRun, StopRequest, deferred
from framework.core.study import Findings
from framework.core.writing import lasting_together
from framework.experiments import provenance
from framework.experiments.experiment import Experiment, prepare
from framework.experiments.failures import MISTAKES, failure_of
from framework.experiments.pruning import rungs_of
from framework.experiments.recording import JobResult, RecordingCallback
from framework.experiments.stack_parts import StackParts
from framework.experiments.study import FirstMemberCallback, record_findings
from framework.tracking.folders import remember
from framework.tracking.mlflow import PATIENCE
from framework.tracking.run_dir import RunLocation
from framework.tracking.run_record import CHECKPOINT, RunRecord, claimed_by_us
from framework.tracking.writers import MlflowWriterPool
from framework.training.continued import train_on
from framework.training.parallel import MemberCallback
from framework.training.pruning import Rungs
from framework.training.trainer import train

__all__ = ["Experiment", "JobResult", "RunFailed", "RunLocation", "prepare", "run", "run_stack"]


# Seconds between two transfers of a run to the store, for each run of its stack. A transfer takes 10 ms or more in which no
# network trains; 2 ms where a copy of this process writes the local store.
SHARE_OF_TIME, SHARE_OF_COPY = 0.2, 0.02


@contextmanager
def informed(
    callbacks: Sequence[Callback], experiments: Sequence[Experiment], places: Sequence[RunLocation]
) -> Iterator[list[Callback]]:
    """The callbacks of these runs, the configuration's own among them, between `on_start` and `on_finish`."""
    own, study = experiments[0].settings.callbacks, experiments[0].settings.study
    everyone = [*callbacks, *own.values()]
    pairs = zip(experiments, places, strict=True)
    runs = [StartedRun(place.name, place.folder, each.settings.record, each.steps) for each, place in pairs]
    started: list[Callback] = []
    with blamed([("study", study), *((f"callbacks.{name}", each) for name, each in own.items())]):
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
                rungs=rungs_of([experiment], [place]),
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
    rungs: Callable[[Sequence[Experiment], Sequence[RunLocation]], Rungs | None] = rungs_of,
) -> list[JobResult | RunFailed]:
    """Train networks that can share a stack in one pass, and record each as a separate run. Where an exception ends the
    training, its parts are trained again, so that only the jobs that fail alone have failed.

    Args:
        callbacks: are called from several threads; `member` is the index in the runs of the latest `on_start`.
        feeder: the processes that write to MLflow; None: this one.
        resume: the members that continue from the checkpoints in their folders.
        stop: a shared request. When a signal comes, every member writes a checkpoint, and the signal is raised.
        rungs: says which jobs are pruned.

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

    def train_part(members: Sequence[int]) -> list[TrainingResult]:
        own, runs = [experiments[member] for member in members], [places[member] for member in members]
        with informed(callbacks, own, runs) as others, stop or nullcontext():
            return _train_part(recorded, members, others, keeps_end(first, places[0]), pruning, stop)

    def pruning(members: Sequence[int]) -> Rungs | None:
        return rungs([experiments[member] for member in members], [places[member] for member in members])

    results = StackParts(recorded, train_part, first.xp).run()
    if (stop or resume) and not keeps_end(first, places[0]):
        _remove_checkpoints(results)
    return results


def _remove_checkpoints(results: Sequence[JobResult | RunFailed]) -> None:
    """Remove the checkpoints of runs that have ended and are not to keep them."""
    for result in results:
        if isinstance(result, JobResult):
            with suppress(OSError):
                (result.folder / CHECKPOINT).unlink(missing_ok=True)


def _train_part(
    recorded: RecordingCallback,
    members: Sequence[int],
    others: Sequence[Callback],
    keeps_end: bool,
    rungs: Callable[[Sequence[int]], Rungs | None],
    stop: StopRequest | None,
) -> list[TrainingResult]:
    """Train some members of a stack, in the tier of the whole."""
    whole = recorded.experiments
    # A member that ends before the others would be lost with them.
    keeps_end = keeps_end or (stop is not None and len(members) > 1)
    own = [whole[member] for member in members]
    shared = all(experiment.data is own[0].data for experiment in own)
    outcomes = train_on(
        [experiment.learner for experiment in own],
        [own[0].data] if shared else [experiment.data for experiment in own],
        [experiment.settings.seed for experiment in own],
        [recorded.records[member].snapshot for member in members],
        **own[0].how,
        callbacks=[MemberCallback(recorded, members), *others],
        save=lambda member, *state: recorded.save(members[member], *state),
        save_end=(lambda member, *state: recorded.save_end(members[member], *state)) if keeps_end else None,
        replicas=len(whole),
        rungs=lambda some: rungs([members[i] for i in some]),
        stop=stop,
    )
    return [replace(outcome, member=members[outcome.member]) for outcome in outcomes]


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
    share = SHARE_OF_COPY if feeder and feeder.quick else SHARE_OF_TIME
    for record in records:
        if record.tracked:
            record.tracked.patience = max(PATIENCE, share * len(records))
    return records


def record_of(experiment: Experiment, place: RunLocation, resume: bool = False, **how: Any) -> RunRecord:
    """The record of one run."""
    remember(place.runs, place.folder.parent if "sweep" in place.tags else place.folder)
    counts, how = (experiment.steps, experiment.validations), {"epoch": experiment.epoch, **how}
    return RunRecord(experiment.settings, place, *counts, experiment.directions, provenance.save_sources, resume, **how)
