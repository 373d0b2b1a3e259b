"""The common code of shell and Python: from a command to jobs, and running a job."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framework.core.log import show
from framework.core.pipes import replace_unencodable
from framework.core.terminal import next_line

if TYPE_CHECKING:
    from framework.analysis.comparison import RecordedJob
    from framework.experiments.runner import JobResult


def compare(sweep: Path, stopped: bool = False) -> None:
    """Write table and figure of a sweep, even if some jobs failed, and print what to do next.

    Args:
        stopped: by a signal, so that jobs are left to run.
    """
    from framework.analysis.sweep_table import compare
    from framework.core.errors import ConfigError
    from framework.core.signals import ignore_further_signals
    from framework.sweeps.session import session
    from framework.sweeps.summary import announce, leave, log_best, send, summary_of
    from framework.tracking.run_dir import jobs_of, runs_dir

    if not jobs_of(sweep):
        print(next_line([f"sweep.resume={sweep.name}"]), flush=True)
        return
    try:
        announce(sweep)
        try:
            found = compare(sweep, {}, meanwhile=lambda: session().submit(log_best, sweep, runs_dir()))
        except ConfigError as error:  # the figure options of a preset may not fit what was swept
            print(f"stackprop: {error}; drawn without the options figure.*", file=sys.stderr)
            session().settle()  # a writer may be at the sweep's record
            found = compare(sweep, {"x": "step", "y": None, "panels": None})
        session().settle()
        if unsent := session().call(send, sweep, runs_dir(), summary_of(sweep, *found)):
            print(f"stackprop: {sweep}: {unsent}; `stackprop doctor` sends the rest", file=sys.stderr)
        following = next_commands([job for group in found[0] for job in group.jobs])
    except KeyboardInterrupt:
        with ignore_further_signals():
            left = session().call(leave, sweep)  # after what a writer still records of this sweep
        print(f"stackprop: {sweep}: {left}", file=sys.stderr)
        raise
    except Exception as error:  # the runs are recorded; an error in the figure must not make them fail
        print(f"stackprop: the figure of {sweep} could not be drawn: {error}", file=sys.stderr)
        session().call(leave, sweep)
        following = ["report last"]
    print(next_line([f"sweep.resume={sweep.name}"] if stopped else following), flush=True)


def next_commands(jobs: Sequence[RecordedJob]) -> list[str]:
    """The commands that a reader may want after a sweep: a figure against a swept number, the report, the UI."""
    from framework.analysis.comparison import swept
    from framework.core.repeats import REPEATS
    from framework.tracking.run_dir import tree_of_run

    numbers = [key for key in swept(jobs) if key not in REPEATS and is_number(jobs[0].overrides.get(key, ""))]
    tracked = tree_of_run(jobs[0].folder).get("tracking", {}).get("type") == "mlflow"
    return [f"compare last x={numbers[0]}" if numbers else "report last", *(["ui"] if tracked else [])]


def is_number(text: str) -> bool:
    """Whether a text is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def task(cfg: Any) -> float | None:
    """Run one job and print its end; returns the value that a sweeper minimizes."""
    from framework.core.signals import StoppedRun
    from framework.experiments.progress import report

    show()
    replace_unencodable()  # also in separate processes of launchers
    with at_command():
        if _of_many() and (known := done_before(cfg)):
            return known[0]
        try:
            result = run_one(cfg)
        except StoppedRun as stop:
            report(stop.result, tracked=cfg.tracking.type == "mlflow")
            raise
        report(result, tracked=cfg.tracking.type == "mlflow", brief=_of_many())
    return result.metrics.get("val/loss")


@contextlib.contextmanager
def at_command() -> Iterator[None]:
    """Work in the folder of the command, to which relative paths refer, even if `hydra.job.chdir` has moved the job."""
    from hydra.core.hydra_config import HydraConfig

    before = os.getcwd()
    os.chdir(HydraConfig.get().runtime.cwd)
    try:
        yield
    finally:
        os.chdir(before)


def done_before(cfg: Any) -> list[float | None]:
    """The value of a job that has finished before, if so; otherwise earlier files are set aside. For other launchers: each
    job separately, perhaps in a separate process."""
    from hydra.core.hydra_config import HydraConfig

    from framework.config.composition import settings_of
    from framework.core.arrays import take_gpu
    from framework.sweeps.job_dir import place_of
    from framework.sweeps.launcher import send_unsent
    from framework.sweeps.manifest import is_done, set_aside, value_of
    from framework.tracking.config_hash import config_hash

    hydra, settings = HydraConfig.get(), settings_of(cfg)
    where = (hydra.runtime.output_dir, overrides_of(hydra), hydra.sweep.dir)
    place = place_of(*where, about=settings.about, choices=hydra.runtime.choices)
    take_gpu(hydra.job.num)
    if is_done(place.folder, config_hash(settings.tree)):
        send_unsent([place.folder], place.runs)
        return [value_of(place.folder)]
    set_aside(place, settings.tracking, [hydra.output_subdir or ""])
    return []


def run_one(cfg: Any) -> JobResult:
    """Run one job and show its progress."""
    from hydra.core.hydra_config import HydraConfig

    from framework.config.composition import settings_of
    from framework.data.precision import indistinct
    from framework.experiments.config_warnings import config_warnings
    from framework.experiments.lost import remedies
    from framework.experiments.progress import ProgressBar
    from framework.experiments.runner import run
    from framework.experiments.sync import close_lost_runs
    from framework.sweeps.job_dir import place_of
    from framework.sweeps.session import session
    from framework.training.bptt import chunk_warnings
    from framework.training.pruning import pruning_warnings

    experiment, of_many, hydra = session().experiment(settings_of(cfg)), _of_many(), HydraConfig.get()
    where = (hydra.runtime.output_dir, overrides_of(hydra), hydra.sweep.dir if of_many else None)
    place = place_of(*where, about=experiment.settings.about, choices=hydra.runtime.choices)
    for line in remedies(close_lost_runs(place.runs)):
        print(f"stackprop: {line}", file=sys.stderr)
    for note in experiment.notes:
        print(f"stackprop: {note}", file=sys.stderr)
    data, settings = experiment.data, experiment.settings
    for doubt in (
        config_warnings(experiment.learner)
        + chunk_warnings(data, settings.trainer.bptt.chunk)
        + ([] if of_many else pruning_warnings(settings.trainer.prune, 0))
        + indistinct(data, settings.dtype)
    ):
        print(f"stackprop: warning: {doubt}", file=sys.stderr)
    epoch = experiment.epoch if settings.study is None else 0
    display = ProgressBar(experiment.steps, epoch, brief=of_many)
    try:
        return run(experiment, place, [display, *session().callbacks])
    finally:
        display.close()


def overrides_of(hydra: Any) -> list[str]:
    """The overrides of a job as typed: interpolations, which may contain a password, stay unresolved."""
    from omegaconf import OmegaConf

    found: Any = OmegaConf.to_container(hydra.overrides.task, resolve=False)
    return list(found)


def _of_many() -> bool:
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    return bool(HydraConfig.get().mode == RunMode.MULTIRUN)
