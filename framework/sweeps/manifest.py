"""Records the jobs of a sweep and their state in `sweep.json`, for resuming.

A resumed sweep composes its jobs again. Finished jobs do not run again, others run from their start; their earlier files are
kept in `attempts/`.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from framework.config.allowed import is_harmless
from framework.core.errors import ConfigError
from framework.core.secrets import masked
from framework.core.trust import is_trusted, knows_store, trust, trusts_all
from framework.core.writing import check_no_links, inside, write_json, write_text
from framework.core.yaml_text import yaml_text
from framework.experiments.sync import STRANGE
from framework.sweeps.jobs import Job
from framework.sweeps.session import session
from framework.tracking.config_hash import config_hash, without_labels
from framework.tracking.folders import SWEEP, remember
from framework.tracking.mlflow import flattened, get_store, new_key
from framework.tracking.naming import about_of, format_value
from framework.tracking.options import Tracking
from framework.tracking.run_dir import RunLocation, find_sweep, is_finished, read_state, read_sweep, tree_of_run

KEY = "sweep.resume"
LENGTH = "hydra.sweeper.n_trials="  # of a search, which may be extended without changing its jobs


def resumed(words: Sequence[str]) -> list[str] | None:
    """The command that `sweep.resume=ID` repeats; None without that word. New words for where stacks train, or for the
    length of a search, replace the earlier ones.

    Raises:
        ConfigError: unknown sweep, or the command differs from the one it started with.
        LinkError: its folder contains a link.
    """
    resuming = [word for word in words if word.partition("=")[0] == KEY]
    if not resuming:
        return None
    folder = find_sweep(resuming[-1].partition("=")[2])
    check_no_links(folder)
    content = read_sweep(folder)
    if "command" not in content:
        there = "cannot be read" if (folder / SWEEP).exists() else "is missing"
        raise ConfigError(f"{KEY}: {folder}/{SWEEP} {there}; repeat the command with hydra.sweep.dir={folder}")
    _check_command(folder, [str(word) for word in content["command"]])
    where = [word for word in words if _says_where(word)]
    longer = [word for word in words if word.startswith(LENGTH)]
    kept = [word for word in content["command"] if not _is_replaced(word, where)]
    kept = [word for word in kept if not (longer and word.startswith(LENGTH))]
    given = [word for word in words if word not in (*resuming, *where, *longer, "-m", "--multirun")]
    before = [word for word in kept if word not in ("-m", "--multirun")]
    strange = [word for word in given if word not in before]
    missing = [word for word in before if given and word not in given]
    if strange or missing:
        what = (
            f"{', '.join(strange)} {'differ' if len(strange) > 1 else 'differs'}"
            if strange
            else f"without {' '.join(missing)}"
        )
        raise ConfigError(
            f"{KEY}: {folder.name} was started with a different command ({what}); give {KEY} alone, or "
            "start a new sweep for a changed configuration"
        )
    return [*kept, *where, *longer, f"hydra.sweep.dir={folder}"]


def _check_command(folder: Path, command: Sequence[str]) -> None:
    """Check a recorded command. What only the command line may set needs the user's earlier use, or trust.

    Raises:
        ConfigError: a word may hold commands, or names a store to which this user has not sent runs.
    """
    known = trusts_all() or is_trusted(_of_command(command))
    for word in [] if known else command:
        key, _, value = word.lstrip("+~").partition("=")
        if key.startswith("hydra.launcher") and not is_harmless(key.rpartition(".")[2], value):
            raise ConfigError(f"{KEY}: {folder.name} contains {word!r}, which may hold commands; --trust runs it")
        refers = re.fullmatch(r"\$\{oc\.env:\w+\}", value)  # to the user's own environment
        if key == "tracking.uri" and not refers and not knows_store(value.strip("'\"")):
            raise ConfigError(f"{KEY}: {folder.name}: {STRANGE.format(masked(value))}")


def _of_command(command: Sequence[str]) -> str:
    return hashlib.sha256(f"command {json.dumps(list(command))}".encode()).hexdigest()


def _says_where(word: str) -> bool:
    return word.lstrip("+").startswith(("hydra.launcher.", "hydra/launcher="))


def _is_replaced(word: str, where: Sequence[str]) -> bool:
    """Whether new words for where stacks train replace an earlier one: another launcher all of them, an option its own."""
    keys = [new.lstrip("+").partition("=")[0] for new in where]
    return _says_where(word) and ("hydra/launcher" in keys or word.lstrip("+").partition("=")[0] in keys)


def write_manifest(folder: Path, jobs: Sequence[Job], queued: Collection[int] = ()) -> dict[int, float | None]:
    """Record the jobs of the sweep.

    Args:
        queued: the numbers of jobs that a cluster still has from an earlier launch.

    Returns:
        Number -> validation loss of the jobs that have already finished.

    Raises:
        ConfigError: the configuration of a job has changed since the sweep started, or it is still running.
    """
    known = {number: job for number, job in read_sweep(folder).get("jobs", {}).items() if isinstance(job, dict)}
    hashes = {job.number: config_hash(job.experiment.settings.tree) for job in jobs}
    changed = [number for number, found in hashes.items() if known.get(str(number), {}).get("hash", found) != found]
    if changed:
        shown = ", ".join(map(str, changed[:10]))
        what = _first_change(next(job for job in jobs if job.number == changed[0]))
        raise ConfigError(
            f"{KEY}: the configuration of job {shown} has changed since {folder.name} started{what}; sweep again"
        )
    alive = [job.number for job in jobs if read_state(job.place.folder).get("status") == "running"]
    alive = [number for number in alive if number not in queued]
    if alive:  # interrupted ones have been ended before
        shown = ", ".join(map(str, alive[:10]))
        raise ConfigError(f"{KEY}: job {shown} of {folder.name} is still running in another process")
    folder.mkdir(parents=True, exist_ok=True)
    remember(jobs[0].place.runs, folder)
    check_folders_of_before(known, jobs)
    content = {
        str(job.number): {"overrides": list(job.overrides), "hash": hashes[job.number], "folder": job.place.folder.name}
        for job in jobs
    }
    command, launch = session().command, session().launch_id
    if not read_sweep(folder) and any("hydra.launcher." in word for word in command):
        trust(_of_command(command), folder)
    own = {"launch": launch, "launched": time.time(), "jobs": {**known, **content}}
    about = jobs[0].experiment.settings.about.entry
    own = ({"about": about} if about and not read_sweep(folder) else {}) | own  # `stackprop tag` may have changed it
    write_json(folder / SWEEP, {"command": command, "key": new_key(), **read_sweep(folder), **own})
    return {job.number: value_of(job.place.folder) for job in jobs if is_done(job.place.folder, hashes[job.number])}


def _first_change(job: Job) -> str:
    """The first key in which a job differs from its record; empty if it has none."""
    try:
        before = dict(flattened(tree_of_run(job.place.folder)))
    except ConfigError:
        return ""
    now = dict(flattened(without_labels(job.experiment.settings.record)))
    key = next((key for key in {**before, **now} if before.get(key) != now.get(key)), None)
    return "" if key is None else f" ({key} was {format_value(before.get(key))}, is now {format_value(now.get(key))})"


def with_labels(folder: Path, jobs: Sequence[Job]) -> list[Job]:
    """The jobs with the tags and notes that a resumed sweep has now."""
    if not (known := read_sweep(folder)):
        return list(jobs)
    about = replace(about_of(known), name="")
    return [replace(job, place=replace(job.place, about=about)) for job in jobs]


def check_folders_of_before(known: Mapping[str, Any], jobs: Sequence[Job]) -> None:
    """Check the folders of jobs against those of earlier batches.

    Raises:
        ConfigError: a job would be written to the folder of an earlier job.
    """
    taken = {job.get("folder"): number for number, job in known.items()}
    for job in jobs:
        other = taken.get(job.place.folder.name, str(job.number))
        if other != str(job.number):
            raise ConfigError(
                f"hydra.sweep.subdir: jobs {other} and {job.number} would both be written to '{job.place.folder.name}'; "
                "include every swept value, or ${hydra.job.num}"
            )


def is_done(folder: Path, found: str) -> bool:
    """Whether a job with that hash has finished in a folder."""
    state = read_state(folder)
    return is_finished(folder) and state.get("state") == "FINISHED" and state.get("config_hash") == found


def value_of(folder: Path) -> float | None:
    """The last validation loss of a run."""
    value = read_state(folder).get("metrics", {}).get("val/loss")
    return None if value is None or not math.isfinite(float(value)) else float(value)


def set_aside(place: RunLocation, tracking: Tracking, own: Sequence[str] = ()) -> None:
    """Move the files of an earlier attempt, and mark its run in the store as one.

    Args:
        own: files of the new attempt.
    """
    folder = place.folder
    if not any((folder / name).exists() for name in ("run.json", "metrics.jsonl")):
        return
    kept = inside(folder.parent, "attempts")
    aside = next(path for i in itertools.count(1) if not (path := kept / f"{folder.name}-{i}").exists())
    state, tags = read_state(folder), {"sweep": f"{folder.parent.name}-attempt", "stackprop.folder": str(aside.resolve())}
    if state:  # recorded before the move, so that the store is updated later if it is down or this process is killed
        state |= {"tags": {**state.get("tags", {}), "sweep": tags["sweep"]}}
        write_json(folder / "run.json", {**state, "tracked": False})
    folder.rename(aside)
    if state.get("mlflow_run_id") and state.get("tracked"):
        with suppress(Exception):  # a store that is down must not stop the sweep
            client = get_store(tracking, place.runs).client
            for name, value in tags.items():
                client.set_tag(state["mlflow_run_id"], name, value)
            write_json(aside / "run.json", state)
    folder.mkdir()
    for name in own:
        if (aside / name).exists():
            (aside / name).rename(folder / name)


def prepare_folder(job: Job) -> None:
    """Write the files of Hydra's own launcher for a job, and set files of an earlier attempt aside."""
    set_aside(job.place, job.experiment.settings.tracking)
    subdir = job.composed.hydra["output_subdir"]
    if subdir is None:
        return
    job.place.folder.mkdir(parents=True, exist_ok=True)
    folder = inside(job.place.folder, str(subdir))
    composed = job.composed
    texts = {"config": yaml_text(composed.task), "hydra": yaml_text({"hydra": composed.hydra})}
    for name, text in {**texts, "overrides": yaml_text(composed.overrides)}.items():
        write_text(folder / f"{name}.yaml", text, lasting=False)
