"""The common code of shell and Python: from a command to jobs, and running a job."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framework.core.pipes import replace_unencodable

if TYPE_CHECKING:
    from framework.experiments.runner import JobResult


@contextlib.contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables in this block."""
    from framework.core.secrets import URI

    before = {key: os.environ.get(key) for key in (*values, URI)}  # MLflow's client also sets variables
    os.environ.update(values)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value


def sweep_environment(words: Sequence[str]) -> dict[str, str]:
    """The environment variables that the presets, the locations of runs and `sweep.json` need."""
    runs = os.environ.get("STACKPROP_RUNS", "runs")
    # The id distinguishes two runs that start in the same second.
    return {"STACKPROP_RUNS": runs, "STACKPROP_ID": secrets.token_hex(2), "STACKPROP_COMMAND": json.dumps(list(words))}


def compare(sweep: Path) -> None:
    """Write table and figure of a sweep, even if some jobs failed."""
    from framework.analysis.sweep_table import compare
    from framework.core.errors import ConfigError
    from framework.sweeps.launcher import FEEDERS
    from framework.sweeps.summary import record
    from framework.tracking.run_dir import runs_dir

    try:
        try:
            found = compare(sweep, {})
        except ConfigError as error:  # the figure options of a preset may not fit what was swept
            print(f"stackprop: {error}; drawn without the options figure.*", file=sys.stderr)
            found = compare(sweep, {"x": "step", "y": None, "panels": None})
        if FEEDERS:
            FEEDERS[0].settle()
            FEEDERS[0].call(record, sweep, runs_dir(), *found)
        else:
            record(sweep, runs_dir(), *found)
    except Exception as error:  # the runs are recorded; an error in the figure must not make them fail
        print(f"stackprop: the figure of {sweep} could not be drawn: {error}", file=sys.stderr)


def check(settings: Any) -> None:
    """Check everything that can be known before a run starts: settings and data must fit together."""
    from framework.experiments.experiment import prepare

    prepare(settings)


def task(cfg: Any) -> float | None:
    """Run one job and print its end; returns the value that a sweeper minimizes."""
    from framework.experiments.progress import report

    replace_unencodable()  # also in separate processes of launchers
    with at_command():
        if _of_many() and (known := done_before(cfg)):
            return known[0]
        result = run_one(cfg)
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
    from framework.core.arrays import use_gpu
    from framework.sweeps.job_dir import place_of
    from framework.sweeps.launcher import send_unsent
    from framework.sweeps.manifest import is_done, set_aside, value_of
    from framework.tracking.run_record import config_hash

    hydra, settings = HydraConfig.get(), settings_of(cfg)
    place = place_of(hydra.runtime.output_dir, overrides_of(hydra), hydra.sweep.dir)
    use_gpu(hydra.job.num)
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
    from framework.experiments.builder import config_warnings
    from framework.experiments.experiment import prepare
    from framework.experiments.progress import ProgressBar
    from framework.experiments.runner import run
    from framework.experiments.sync import close_lost_runs
    from framework.sweeps.job_dir import place_of
    from framework.training.bptt import chunk_warnings

    experiment, of_many, hydra = prepare(settings_of(cfg)), _of_many(), HydraConfig.get()
    place = place_of(hydra.runtime.output_dir, overrides_of(hydra), hydra.sweep.dir if of_many else None)
    for folder in close_lost_runs(place.runs):
        print(f"stackprop: {folder} was interrupted; resume with `stackprop resume {folder}`", file=sys.stderr)
    for note in experiment.data.notes:
        print(f"stackprop: dataset: {note}", file=sys.stderr)
    data, settings = experiment.data, experiment.settings
    for doubt in (
        config_warnings(experiment.learner)
        + chunk_warnings(data, settings.trainer.bptt.chunk)
        + indistinct(data, settings.dtype)
    ):
        print(f"stackprop: warning: {doubt}", file=sys.stderr)
    display = ProgressBar(experiment.steps, brief=of_many)
    try:
        return run(experiment, place, [display])
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
