"""Validates and builds all jobs of a sweep before the first one runs: if one job is invalid, none runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from framework.analysis.stylesheet import read_style
from framework.config.composition import PLUGIN_KEYS, settings_of_trees
from framework.config.messages import format_error
from framework.core.errors import ConfigError, DataError
from framework.data.precision import indistinct
from framework.experiments.config_warnings import config_warnings
from framework.experiments.experiment import Experiment, prepared
from framework.sweeps.composer import ComposedJob, JobComposer
from framework.sweeps.job_dir import place_of
from framework.tracking.naming import KEYS as ABOUT
from framework.tracking.naming import key_of
from framework.tracking.run_dir import RunLocation
from framework.training.bptt import chunk_warnings

SHOWN = 5  # invalid jobs whose errors are shown in full


@dataclass(frozen=True)
class Job:
    """A job that can run.

    Attributes:
        number: in its sweep.
        overrides: those that distinguish it from other jobs.
        composed: its configuration, for Hydra.
    """

    number: int
    overrides: tuple[str, ...]
    composed: ComposedJob
    experiment: Experiment
    place: RunLocation


def compose_jobs(composer: JobComposer, overrides: Sequence[Sequence[str]], first: int) -> list[Job]:
    """Compose every job, validate it, and check it against its data.

    Args:
        first: the number of the first job.

    Raises:
        ConfigError: some jobs cannot run; the message names them.
    """
    if not overrides:
        raise ConfigError("the sweep has no jobs, since a swept key has no values; no job was started")
    jobs, bad = [], []
    for number, words in enumerate(overrides, first):
        try:
            jobs.append(job_of(composer, words, number))
        except (HydraException, OmegaConfBaseException, ConfigError, DataError) as error:
            bad.append((number, words, format_error(error)))
    if bad:
        raise ConfigError(error_list(bad, len(overrides)))
    check_folders(jobs)
    check_about(jobs)
    for name in dict.fromkeys(job.experiment.settings.figure.style for job in jobs):
        if name is not None:
            read_style(name)  # a wrong file is reported before the sweep, not after it
    return jobs


def check_different(jobs: Sequence[Job]) -> None:
    """Check that all jobs of a grid differ.

    Raises:
        ConfigError: two jobs are the same and would count twice.
    """
    seen: dict[str, Job] = {}
    for job in jobs:
        # Compared after validation: 1 and 1.0 are the same seed.
        other = seen.setdefault(repr(vars(replace(job.experiment.settings, tree={}, written={}))), job)
        if other is not job:
            both = " and ".join(f"{same.number} ({' '.join(same.overrides)})" for same in (other, job))
            raise ConfigError(f"jobs {both} are identical, since a value is given twice; no job was started")


def check_about(jobs: Sequence[Job]) -> None:
    """Check that name, tags and notes are those of the whole sweep.

    Raises:
        ConfigError: two jobs differ in them.
    """
    first = jobs[0].experiment.settings.about
    for about in (job.experiment.settings.about for job in jobs):
        for key in ABOUT:
            one, other = getattr(first, key), getattr(about, key)
            if one != other:
                raise ConfigError(f"{key}: not swept; all jobs of a sweep share it (got {one!r} and {other!r})")


def check_folders(jobs: Sequence[Job]) -> None:
    """Check that all jobs have different folders.

    Raises:
        ConfigError: two jobs would be written to the same folder.
    """
    folders: dict[Path, Job] = {}
    for job in jobs:
        other = folders.setdefault(job.place.folder, job)
        if other is not job:
            raise ConfigError(
                f"hydra.sweep.subdir: jobs {other.number} and {job.number} would both be written to "
                f"'{job.place.folder.name}'; include every swept value, or ${{hydra.job.num}}; no job was started"
            )


def job_of(composer: JobComposer, overrides: Sequence[str], number: int) -> Job:
    """Compose one job, validate it, and check it against its data.

    Raises:
        HydraException, OmegaConfBaseException, ConfigError, DataError: it cannot run.
    """
    composed = composer.job(overrides, number)
    plugins = repr([composed.resolved.get(key) for key in PLUGIN_KEYS])
    parsed, experiments = composer.known.setdefault(plugins, ({}, {}))
    experiment = prepared(settings_of_trees(composed.resolved, composed.task, parsed), experiments)
    own = [word for word in overrides if not word.lstrip("+~").startswith("hydra.")]
    swept = {key_of(word) for word in own} - composer.fixed
    choices = composed.hydra.get("runtime", {}).get("choices")
    place = place_of(composed.folder, own, composer.sweep, swept, experiment.settings.about, choices)
    return Job(number, tuple(overrides), composed, experiment, place)


def notes_of(jobs: Sequence[Job]) -> list[str]:
    """The notes of the jobs on the files that they read, each line once."""
    return list(dict.fromkeys(note for job in jobs for note in job.experiment.notes))


def warnings_of(jobs: Sequence[Job]) -> list[str]:
    """Warnings about allowed but unlikely configurations, each once."""
    found: dict[str, None] = {}
    for job in jobs:
        experiment = job.experiment
        found |= dict.fromkeys(config_warnings(experiment.learner))
        found |= dict.fromkeys(chunk_warnings(experiment.data, experiment.settings.trainer.bptt.chunk))
    for experiment in {(id(j.experiment.data), j.experiment.settings.dtype): j.experiment for j in jobs}.values():
        found |= dict.fromkeys(indistinct(experiment.data, experiment.settings.dtype))
    return list(found)


def error_list(bad: Sequence[tuple[int, Sequence[str], str]], of: int) -> str:
    """The error message for jobs that cannot run, given as number, overrides and error, among `of` jobs."""
    named = [(f"job {number} ({' '.join(words)})", text.splitlines()) for number, words, text in bad[:SHOWN]]
    lines = [f"{name}: {line}" for name, text in named for line in text]
    lines += [f"... and {len(bad) - SHOWN} more jobs"] if len(bad) > SHOWN else []
    return "\n".join([*lines, f"no job was started ({of} in the sweep)"] if of > 1 else lines)
