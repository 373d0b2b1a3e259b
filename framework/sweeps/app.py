"""What the shell and Python share: a command becomes jobs, and a job runs."""

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
    """Variables of the environment for a while."""
    from framework.core.secrets import URI

    before = {key: os.environ.get(key) for key in (*values, URI)}  # MLflow's client writes its own into it
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
    """What the presets, the places of runs and `sweep.json` read from the environment."""
    runs = os.environ.get("STACKPROP_RUNS", "runs")
    # With an id, two runs that begin in the same second differ.
    return {"STACKPROP_RUNS": runs, "STACKPROP_ID": secrets.token_hex(2), "STACKPROP_COMMAND": json.dumps(list(words))}


def compare(sweep: Path) -> None:
    """Table and figure of a sweep, whether or not all of it went well."""
    from framework.analysis.sweep_table import compare
    from framework.core.errors import ConfigError
    from framework.sweeps.launcher import FEEDERS
    from framework.sweeps.summary import record
    from framework.tracking.run_dir import runs_dir

    try:
        try:
            found = compare(sweep, {})
        except ConfigError as error:  # what a preset shows may not be what was swept
            print(f"stackprop: {error}; drawn without what figure.* says", file=sys.stderr)
            found = compare(sweep, {"x": "step", "y": None, "panels": None})
        if FEEDERS:
            FEEDERS[0].settle()
            FEEDERS[0].call(record, sweep, runs_dir(), *found)
        else:
            record(sweep, runs_dir(), *found)
    except Exception as error:  # the runs are recorded; their figure must not make them fail
        print(f"stackprop: no figure of {sweep}: {error}", file=sys.stderr)


def check(settings: Any) -> None:
    """Whatever can be known before a run begins: settings and data go together."""
    from framework.experiments.experiment import prepare

    prepare(settings)


def task(cfg: Any) -> float | None:
    """One job: run it, print the end; the value is what a sweeper makes small."""
    from framework.experiments.progress import report

    replace_unencodable()  # in a process of its own, for launchers that start one
    with at_command():
        if _of_many() and (known := done_before(cfg)):
            return known[0]
        result = run_one(cfg)
        report(result, tracked=cfg.tracking.type == "mlflow", brief=_of_many())
    return result.metrics.get("val/loss")


@contextlib.contextmanager
def at_command() -> Iterator[None]:
    """In the folder of the command, which relative paths mean, although `hydra.job.chdir` may have moved the job."""
    from hydra.core.hydra_config import HydraConfig

    before = os.getcwd()
    os.chdir(HydraConfig.get().runtime.cwd)
    try:
        yield
    finally:
        os.chdir(before)


def done_before(cfg: Any) -> list[float | None]:
    """The value of a job that has finished before, if it has; otherwise what it had left is set aside. For launchers that
    are not ours: each job by itself, perhaps in a process of its own."""
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
    """One job, shown while it runs."""
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
        print(f"stackprop: {folder} was left without a process; `stackprop resume {folder}` goes on", file=sys.stderr)
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
    """The overrides of a job as they were typed: an interpolation in one, which may give a password, stays as it is."""
    from omegaconf import OmegaConf

    found: Any = OmegaConf.to_container(hydra.overrides.task, resolve=False)
    return list(found)


def _of_many() -> bool:
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    return bool(HydraConfig.get().mode == RunMode.MULTIRUN)
