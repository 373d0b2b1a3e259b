"""`stackprop compare [SWEEP | RUN RUN ...] [y=METRIC] [x=KEY] ... [to=FOLDER|FILE.pdf]`: table and figure, over seeds."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from framework.analysis.comparison import RecordedJob, read_job, read_jobs
from framework.analysis.sweep_table import compare
from framework.cli.commands.naming import options
from framework.core.errors import ConfigError
from framework.core.writing import check_no_link
from framework.tracking.naming import about_of, distinct
from framework.tracking.run_dir import find_any, find_run, find_sweep, outermost, read_state, runs_dir

NAMED = 100  # maximum characters of a folder's name


def main(arguments: Sequence[str]) -> int:
    """Redraw the comparison of a sweep, or draw another one into a separate folder; or compare several runs."""
    words = [word for word in arguments if "=" not in word]
    given = dict(word.removeprefix("figure.").split("=", 1) for word in arguments if "=" in word)  # as a sweep takes them
    to = given.pop("to", None)
    jobs = several(words) if len(words) > 1 else None
    sweep, changes = runs_dir() if jobs else one_sweep(words[0] if words else "last"), options(given)
    place = Path(to).expanduser() if to else folder_of(sweep, {"of": "+".join(words), **given} if jobs else given)
    is_file = bool(to and place.suffix and not place.is_dir())
    compare(sweep, changes, None if is_file else place, place if is_file else None, jobs)
    return 0


def several(words: Sequence[str]) -> list[RecordedJob]:
    """The runs that words name; of a sweep, all its jobs.

    Raises:
        ConfigError: one is unknown, or not readable.
    """
    found = list[RecordedJob]()
    for folder in outermost(map(find_any, words)):
        if not (folder / "run.json").exists():
            found += [replace(job, name=f"{folder.name}/{job.name}") for job in read_jobs(folder)]
            continue
        job = read_job(folder)
        if job is None:
            raise ConfigError(f"{folder}: its record cannot be read")
        found.append(replace(job, name=about_of(read_state(folder)).name or job.name))
    names = distinct([job.name for job in found], [job.folder for job in found])
    return [replace(job, name=name, overrides=_trained(job)) for job, name in zip(found, names, strict=True)]


def _trained(job: RecordedJob) -> dict[str, str]:
    """The overrides of a run, without those that say where it is recorded: they make no group of their own."""
    return {key: value for key, value in job.overrides.items() if key.partition(".")[0] != "tracking"}


def one_sweep(word: str) -> Path:
    """The folder of a sweep.

    Raises:
        ConfigError: it is unknown, or one run.
    """
    try:
        return find_sweep(word)
    except ConfigError as error:
        unknown = error
    try:
        find_run(word, runs_dir())
    except ConfigError:
        raise unknown from None
    raise ConfigError(f"{word}: this is one run; with what? stackprop compare {shlex.quote(word)} RUN")


def folder_of(sweep: Path, changes: Mapping[str, str]) -> Path:
    """The folder of a comparison: that of the sweep, or one in `comparisons/`, named after the changes."""
    if not changes:
        return sweep
    words = "-".join(f"{key}={value}" for key, value in changes.items())
    folder = sweep / "comparisons" / re.sub(r"[^\w.=,-]+", "_", words)[:NAMED]
    check_no_link(folder.parent)
    check_no_link(folder)
    return folder
