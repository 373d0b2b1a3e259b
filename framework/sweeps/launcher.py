"""The launcher of `-m`: jobs that can share a stack train together, each recorded as a separate run."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hydra.core.utils import JobReturn, JobStatus, configure_log, filter_overrides, setup_globals

from framework.core.arrays import trained_elsewhere
from framework.core.errors import ConfigError, JobsFailed
from framework.experiments.failures import reason_of
from framework.experiments.lost import remedies
from framework.experiments.pages import counted
from framework.experiments.provenance import report_other_code
from framework.experiments.pruning import sweep_warnings
from framework.experiments.runner import run_stack
from framework.experiments.sync import close_lost_runs, sync_to_mlflow
from framework.sweeps.composer import composer_of
from framework.sweeps.executors.cluster import Cluster
from framework.sweeps.executors.cluster_run import ClusterRun
from framework.sweeps.executors.processes import run_in_workers
from framework.sweeps.executors.submitted import Submitted, keep_tasks, numbers_of, read_tasks
from framework.sweeps.executors.task import JobEnd, end_of, values
from framework.sweeps.grouping import check_tiers, stacks
from framework.sweeps.jobs import Job, check_different, compose_jobs, notes_of, warnings_of
from framework.sweeps.manifest import prepare_folder, with_labels, write_manifest
from framework.sweeps.progress import Progress
from framework.sweeps.session import POOLED, session
from framework.tracking.run_dir import read_state, read_sweep


@dataclass(frozen=True)
class LaunchOptions:
    """Options for where stacks train.

    Attributes:
        max_stack: maximum replicas of a stack; None: as many as memory allows.
        n_jobs: stacks that run at once, in separate processes; None, on a cluster: as many as it accepts.
        cluster: opens the engine that runs them on other machines.
        elsewhere: whether these may have other devices than this one.
        wait: for the results; otherwise the command ends when all stacks are submitted.
    """

    max_stack: int | None = None
    n_jobs: int | None = 1
    cluster: Callable[[], Cluster] | None = None
    elsewhere: bool = False
    wait: bool = True

    def check(self) -> None:
        """Check the options.

        Raises:
            ConfigError: a value is not a positive integer.
        """
        for name in ("max_stack", "n_jobs"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < 1):
                raise ConfigError(f"hydra.launcher.{name}: {value!r} is not an integer of at least 1")
        if not isinstance(self.wait, bool):
            raise ConfigError(f"hydra.launcher.wait: {self.wait!r} is neither true nor false")
        if not self.wait and not self.elsewhere:
            raise ConfigError("hydra.launcher.wait: processes of this machine end with the command; false needs SLURM")

    def max_replicas(self, jobs: Sequence[Job]) -> int | None:
        """The largest width of a stack with which every machine, or every GPU, gets a stack."""
        if (self.n_jobs or 1) == 1 or (self.cluster is None and jobs[0].experiment.xp is np):
            return self.max_stack
        return min(self.max_stack or len(jobs), -(-len(jobs) // (self.n_jobs or 1)))


def launch(context: Any, config: Any, overrides: Sequence[Sequence[str]], first: int, how: LaunchOptions) -> list[JobReturn]:
    """Run all jobs.

    Args:
        context, config: Hydra's, of the whole sweep.
        overrides: of each job.
        first: the number of the first job.

    Raises:
        ConfigError: a job cannot run; no job was started.
    """
    how.check()
    setup_globals()
    configure_log(config.hydra.hydra_logging, config.hydra.verbose)
    if session().callbacks and (how.cluster or (how.n_jobs or 1) > 1):
        raise ConfigError(
            "callbacks: objects cannot be sent to other processes; use hydra.launcher.n_jobs=1, "
            "or a plugin's register_callbacks and callbacks=[NAME]"
        )
    sweep = Path(config.hydra.sweep.dir)
    alone = how.n_jobs == 1 and how.cluster is None
    if config.tracking.get("type") == "mlflow" and len(overrides) >= POOLED and alone:
        session().start_writers(
            len(overrides), not config.tracking.get("uri")
        )  # before the jobs are composed, since it takes two seconds
    with remove_if_not_started(sweep), trained_elsewhere(how.elsewhere):
        jobs = compose_jobs(composer_of(context.config_loader, config), overrides, first)
        if is_grid(config):
            check_different(jobs)
        elif not how.wait:
            raise ConfigError("hydra.launcher.wait: a search needs the results of its trials; false is for grids only")
        check_tiers(jobs)
        cluster = how.cluster() if how.cluster else None
        earlier = tasks_of_before(sweep, jobs, cluster)
    jobs, is_new = with_labels(sweep, jobs), not read_sweep(sweep)
    done = start_sweep(sweep, jobs, earlier, is_grid(config))
    queued = numbers_of(earlier)
    todo = [job for job in jobs if job.number not in done and job.number not in queued]
    try:
        found: dict[int, Any] = {**done, **_run(todo, jobs, done, earlier, how, cluster)}
    except ConfigError:  # the engine refuses all tasks
        if is_new:
            session().sweeps.remove(sweep)
            shutil.rmtree(sweep, ignore_errors=True)
        raise
    return returned(jobs, found)


def tasks_of_before(sweep: Path, jobs: Sequence[Job], cluster: Cluster | None) -> dict[Submitted, Any]:
    """The tasks of an earlier launch that the engine still has, with their handles. The others are forgotten.

    Raises:
        ConfigError: the engine does not answer.
    """
    numbers, known = {job.number for job in jobs}, read_tasks(sweep)
    handles = cluster.find([task.id for task in known.values()]) if cluster and known else {}
    kept = {token: task for token, task in known.items() if task.id in handles and numbers.issuperset(task.jobs)}
    keep_tasks(sweep, kept)
    return {task: handles[task.id] for task in kept.values()}


def start_for_other_launcher(context: Any, config: Any, overrides: Sequence[Sequence[str]], batch: int) -> None:
    """Validate and record the jobs that another launcher will run.

    Raises:
        ConfigError: a job cannot run; no job was started.
    """
    known = read_sweep(Path(config.hydra.sweep.dir)).get("jobs", {})
    sweep, first = Path(config.hydra.sweep.dir), 0 if batch <= 1 else len(known)
    with remove_if_not_started(sweep):
        jobs = compose_jobs(composer_of(context.config_loader, config), overrides, first)
        check_different(jobs)
        check_tiers(jobs)
    tasks_of_before(sweep, jobs, None)
    start_sweep(sweep, jobs, grid=True)


def is_grid(config: Any) -> bool:
    """Whether the sweep is a grid; a search may propose a job twice."""
    return "n_trials" not in config.hydra.sweeper


@contextlib.contextmanager
def remove_if_not_started(sweep: Path) -> Iterator[None]:
    """Remove the sweep's folder if a job of the first batch cannot run."""
    try:
        yield
    except ConfigError:
        if {path.name for path in sweep.glob("*")} <= {"multirun.yaml", ".submitit"}:
            shutil.rmtree(sweep, ignore_errors=True)
        raise


def start_sweep(
    sweep: Path, jobs: Sequence[Job], queued: Collection[Submitted] = (), grid: bool = False
) -> dict[int, float | None]:
    """Record the jobs and print warnings before the first one runs; returns number -> value of jobs that finished before.

    Args:
        queued: the tasks of an earlier launch that still wait or train.
        grid: whether these are all jobs of the sweep.
    """
    session().sweeps.append(sweep)
    others = [folder for folder in close_lost_runs(jobs[0].place.runs) if folder.parent != sweep.resolve()]
    for line in remedies(others):
        print(f"stackprop: {line}", file=sys.stderr)
    done = write_manifest(sweep, jobs, numbers_of(queued))
    finished = [job.place.folder for job in jobs if job.number in done]
    report_other_code(sweep, finished)
    send_unsent(finished, jobs[0].place.runs)
    doubts = [*warnings_of(jobs), *(sweep_warnings([job.experiment for job in jobs]) if grid else [])]
    lines = [*notes_of(jobs), *(f"warning: {doubt}" for doubt in doubts)]
    session().warn(sweep, lines)
    return done


def send_unsent(folders: Sequence[Path], runs: Path) -> None:
    """Send what the store lacks of jobs that finished before."""
    unsent = [folder for folder in folders if not read_state(folder).get("tracked")]
    if unsent:
        with contextlib.suppress(RuntimeError):  # that process was killed; `stackprop doctor` sends them
            session().call(sync_to_mlflow, runs, unsent)


def _run(
    todo: Sequence[Job],
    jobs: Sequence[Job],
    done: Mapping[int, Any],
    earlier: Mapping[Submitted, Any],
    how: LaunchOptions,
    cluster: Cluster | None,
) -> dict[int, Any]:
    """Number -> the validation loss, or the exception that ended the job.

    Args:
        todo: jobs to run, among all `jobs`.
        done: the jobs that finished before.
        earlier: tasks that still wait or train, with their handles.
    """
    groups = stacks(todo, how.max_replicas(todo)) if todo else []
    if done:
        print(f"{len(done)} of {len(jobs)} jobs had finished; {len(jobs) - len(done)} to go")
    if earlier:
        print(f"{len(numbers_of(earlier))} jobs of an earlier launch wait or train in {len(earlier)} tasks of the cluster")
    if todo or earlier or not done:
        print(f"{counted(len(todo), 'job')} in {counted(len(groups), 'stack')}", flush=True)
    progress = Progress([job for job in jobs if job.number not in done], len(done))
    try:
        if cluster:
            by_number = {job.number: job for job in jobs}
            known = [(handle, [by_number[number] for number in task.jobs]) for task, handle in earlier.items()]
            run = ClusterRun(cluster, groups, how.n_jobs, progress, known)
            return run.collect() if how.wait else hand_over(run)
        if how.n_jobs and how.n_jobs > 1 and len(groups) > 1:
            return run_in_workers(groups, how.n_jobs, progress)
        return {number: value for group in groups for number, value in _run_one(group, progress).items()}
    finally:
        progress.close()


def hand_over(run: ClusterRun) -> dict[int, Any]:
    """Submit the stacks without waiting for them; the command ends without a table while jobs are left."""
    found = run.hand_over()
    if run.running:
        sweep = session().sweeps.pop()
        print(f"{len(run.running)} tasks of {sweep.name} wait or train; stackprop watch {sweep.name}")
        print(
            f"next: stackprop resume {sweep.name}  (submits what is missing; when all jobs have ended, the table)",
            flush=True,
        )
    return found


def _run_one(group: Sequence[Job], progress: Progress) -> dict[int, Any]:
    """Run one stack in this process."""
    try:
        for job in group:
            prepare_folder(job)
    except OSError as error:
        return values(group, [JobEnd({}, reason_of(error))] * len(group), progress)
    callbacks = [progress.callback(group), *session().callbacks]
    how = {"rungs": session().rungs} if session().rungs else {}
    found = run_stack([j.experiment for j in group], [j.place for j in group], callbacks, session().writers, **how)
    return values(group, [end_of(result) for result in found], progress)


class LaunchedJob(JobReturn):
    """The result of a job for Hydra; its own class prints all overrides of a job that failed, which is reported already."""

    @property  # type: ignore[misc]  # Hydra's has a setter
    def return_value(self) -> Any:
        """The value; of a failed job, the exception is raised."""
        if self.status == JobStatus.FAILED:
            raise self._return_value
        return self._return_value


def returned(jobs: Sequence[Job], found: Mapping[int, Any]) -> list[JobReturn]:
    """The results of the jobs for Hydra."""
    bad = [value for job in jobs if isinstance(value := found.get(job.number), Exception)]
    failure = JobsFailed(f"{len(bad)} of {counted(len(jobs), 'job')} failed")
    failure.__cause__ = bad[0] if bad else None
    return [_returned(job, found.get(job.number), failure) for job in jobs]


def _returned(job: Job, value: Any, failure: JobsFailed) -> JobReturn:
    failed = isinstance(value, Exception)
    return LaunchedJob(
        overrides=filter_overrides(job.overrides),
        hydra_cfg=job.composed.hydra,  # type: ignore[arg-type]
        working_dir=os.getcwd(),
        task_name="stackprop",
        status=JobStatus.FAILED if failed else JobStatus.COMPLETED,
        _return_value=failure if failed else value,
    )
