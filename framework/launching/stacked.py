"""The launcher of `-m`: jobs that can share a stack train in one pass, and each is a run of its own."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus, configure_log, filter_overrides, setup_globals

from framework.config import ConfigError
from framework.experiment import RunFailed, run_stack
from framework.feeding import Feeder
from framework.launching import manifest
from framework.launching.composer import composer_of
from framework.launching.folders import prepare_folder
from framework.launching.grouping import stacks
from framework.launching.jobs import Job, judged_jobs, warnings_of
from framework.launching.progress import Progress, failure
from framework.launching.workers import run_in_workers
from framework.refilling import end_lost

BEGUN: list[Path] = []  # the folders of the sweeps of this process
TOLD: set[tuple[Path, str]] = set()  # what is doubtful of which sweep, told once for all its batches
FEEDERS: list[Feeder] = []  # the process that feeds the tracking store, if there is one
FED = 8  # jobs from which it repays its start


def launch(
    context: Any, config: Any, overrides: Sequence[Sequence[str]], first: int, max_stack: int | None, n_jobs: int
) -> list[JobReturn]:
    """Run all jobs.

    Args:
        context, config: Hydra's, of the whole sweep.
        overrides: of each job.
        first: the number of the first of them.
        max_stack: replicas of one stack; None: as many as memory allows.
        n_jobs: stacks that run at once, in processes of their own.

    Raises:
        ConfigError: a job cannot run; none has begun.
    """
    setup_globals()
    configure_log(config.hydra.hydra_logging, config.hydra.verbose)
    sweep = Path(config.hydra.sweep.dir)
    if config.tracking.get("type") == "mlflow" and len(overrides) >= FED and n_jobs == 1:
        start_feeder()  # before the jobs are composed: it takes two seconds to be ready
    jobs = judged(context, config, sweep, overrides, first)
    done = begin(sweep, jobs)
    todo = [job for job in jobs if job.number not in done]
    values: dict[int, Any] = {**done, **_run(todo, len(done), max_stack, n_jobs)}
    return [returned(job, values[job.number]) for job in jobs]


def start_feeder() -> None:
    """One for this process."""
    if not FEEDERS:
        FEEDERS.append(Feeder())


def close_feeder() -> None:
    """Let it finish what it was asked to do."""
    while FEEDERS:
        FEEDERS.pop().close()


def begin_elsewhere(context: Any, config: Any, overrides: Sequence[Sequence[str]], batch: int) -> None:
    """Judge and write down the jobs that another launcher is to run.

    Raises:
        ConfigError: a job cannot run; none has begun.
    """
    known = manifest.read(Path(config.hydra.sweep.dir)).get("jobs", {})
    sweep, first = Path(config.hydra.sweep.dir), 0 if batch <= 1 else len(known)
    begin(sweep, judged(context, config, sweep, overrides, first))


def judged(context: Any, config: Any, sweep: Path, overrides: Sequence[Sequence[str]], first: int) -> list[Job]:
    """The jobs of a batch; where one of the first batch cannot run, nothing is left of the sweep."""
    try:
        return judged_jobs(composer_of(context.config_loader, config), overrides, first)
    except ConfigError:
        if {path.name for path in sweep.glob("*")} <= {"multirun.yaml"}:
            shutil.rmtree(sweep, ignore_errors=True)
        raise


def begin(sweep: Path, jobs: Sequence[Job]) -> dict[int, float | None]:
    """What has to be said and written before the first job runs; number -> value of those that have finished before."""
    BEGUN.append(sweep)
    for folder in end_lost(jobs[0].place.runs):
        print(f"stackprop: {folder} was left without a process", file=sys.stderr)
    done = manifest.begin(sweep, jobs)
    for doubt in warnings_of(jobs):
        if (sweep, doubt) not in TOLD:
            print(f"stackprop: warning: {doubt}", file=sys.stderr)
            TOLD.add((sweep, doubt))
    return done


def _run(jobs: Sequence[Job], done: int, max_stack: int | None, n_jobs: int) -> dict[int, Any]:
    """Number -> the validation loss, or the exception that ended the job."""
    groups = stacks(jobs, max_stack)
    if done:
        print(f"{done} of {done + len(jobs)} jobs had finished; {len(jobs)} to go")
    print(f"{len(jobs)} jobs in {len(groups)} stack{'s' if len(groups) != 1 else ''}", flush=True)
    progress = Progress(jobs, done)
    try:
        if n_jobs > 1 and len(groups) > 1:
            return run_in_workers(groups, n_jobs, progress)
        return {number: value for group in groups for number, value in _run_one(group, progress).items()}
    finally:
        progress.close()


def _run_one(group: Sequence[Job], progress: Progress) -> dict[int, Any]:
    """One stack, in this process."""
    for job in group:
        prepare_folder(job)
    found = run_stack([j.experiment for j in group], [j.place for j in group], [progress.observer(group)], *FEEDERS)
    progress.finished(group)
    for job, result in zip(group, found, strict=True):
        if isinstance(result, RunFailed) and result.__cause__ is not None:  # what diverged was told when it did
            progress.say(failure(job, str(result)))
    return {
        job.number: result if isinstance(result, RunFailed) else result.metrics.get("val/loss")
        for job, result in zip(group, found, strict=True)
    }


def returned(job: Job, value: Any) -> JobReturn:
    """What Hydra wants to know of a job."""
    failed = isinstance(value, Exception)
    return JobReturn(
        overrides=filter_overrides(job.overrides),
        cfg=job.composed.cfg,
        hydra_cfg=job.composed.hydra,  # type: ignore[arg-type]
        working_dir=os.getcwd(),
        task_name="stackprop",
        status=JobStatus.FAILED if failed else JobStatus.COMPLETED,
        _return_value=value,
    )
