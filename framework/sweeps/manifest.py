"""What a sweep was asked to do, and what of it is done: `sweep.json` in its folder.

A sweep that is resumed composes its jobs again. Those that have finished are not run again, the others from their beginning;
what they had left is kept in `attempts/`.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from framework.config.allowed import is_harmless
from framework.core.errors import ConfigError
from framework.core.secrets import masked
from framework.core.trust import is_trusted, knows_store, trust, trusts_all
from framework.core.writing import check_no_links, inside, write_json
from framework.experiments.sync import STRANGE
from framework.sweeps.jobs import Job
from framework.tracking.mlflow import get_store, new_key
from framework.tracking.options import Tracking
from framework.tracking.run_dir import SWEEP, RunLocation, find_sweep, is_finished, read_state, read_sweep, remember
from framework.tracking.run_record import config_hash

KEY = "sweep.resume"
LENGTH = "hydra.sweeper.n_trials="  # of a search, which may go on for longer: no job of it is another one then


def resumed(words: Sequence[str]) -> list[str] | None:
    """The words of the command that `sweep.resume=ID` stands for; None where they do not hold it. Words that say where
    stacks train, or how long a search goes on, stand for those of before.

    Raises:
        ConfigError: there is no such sweep, or the command is another than the one it began with.
        LinkError: a link lies in its folder.
    """
    asked = [word for word in words if word.partition("=")[0] == KEY]
    if not asked:
        return None
    folder = find_sweep(asked[-1].partition("=")[2])
    check_no_links(folder)
    told = read_sweep(folder)
    if "command" not in told:
        there = "cannot be read" if (folder / SWEEP).exists() else "is missing"
        raise ConfigError(f"{KEY}: {folder}/{SWEEP} {there}; give the command again with hydra.sweep.dir={folder}")
    _check_command(folder, [str(word) for word in told["command"]])
    where = [word for word in words if _says_where(word)]
    longer = [word for word in words if word.startswith(LENGTH)]
    kept = [word for word in told["command"] if not (where and _says_where(word))]
    kept = [word for word in kept if not (longer and word.startswith(LENGTH))]
    given = [word for word in words if word not in (*asked, *where, *longer, "-m", "--multirun")]
    before = [word for word in kept if word not in ("-m", "--multirun")]
    strange = [word for word in given if word not in before] + [w for w in before if given and w not in given]
    if strange:
        raise ConfigError(
            f"{KEY}: {folder.name} was begun with other words ({', '.join(strange)} differ); "
            "a changed configuration is a new sweep"
        )
    return [*kept, *where, *longer, f"hydra.sweep.dir={folder}"]


def _check_command(folder: Path, command: Sequence[str]) -> None:
    """Words that were recorded count as typed. What only the user may type, the user has typed here before, or trusts.

    Raises:
        ConfigError: a word may hold commands, or names a store that nothing was sent to from here.
    """
    known = trusts_all() or is_trusted(_of_command(command))
    for word in [] if known else command:
        key, _, value = word.lstrip("+~").partition("=")
        if key.startswith("hydra.launcher") and not is_harmless(key.rpartition(".")[2], value):
            raise ConfigError(f"{KEY}: {folder.name} has {word!r} in its record, which may hold commands; --trust runs it")
        refers = re.fullmatch(r"\$\{oc\.env:\w+\}", value)  # to the user's own environment
        if key == "tracking.uri" and not refers and not knows_store(value.strip("'\"")):
            raise ConfigError(f"{KEY}: {folder.name}: {STRANGE.format(masked(value))}")


def _of_command(command: Sequence[str]) -> str:
    return hashlib.sha256(f"command {json.dumps(list(command))}".encode()).hexdigest()


def _says_where(word: str) -> bool:
    return word.lstrip("+").startswith(("hydra.launcher.", "hydra/launcher="))


def write_manifest(folder: Path, jobs: Sequence[Job]) -> dict[int, float | None]:
    """Write down what the sweep is to do.

    Returns:
        Number -> validation loss of the jobs that have finished already.

    Raises:
        ConfigError: a job has another configuration than when the sweep began, or is still running.
    """
    known = {number: told for number, told in read_sweep(folder).get("jobs", {}).items() if isinstance(told, dict)}
    hashes = {job.number: config_hash(job.experiment.settings.tree) for job in jobs}
    changed = [number for number, found in hashes.items() if known.get(str(number), {}).get("hash", found) != found]
    if changed:
        shown = ", ".join(map(str, changed[:10]))
        raise ConfigError(f"{KEY}: the configuration of job {shown} has changed since {folder.name} began; sweep anew")
    alive = [job.number for job in jobs if read_state(job.place.folder).get("status") == "running"]
    if alive:  # those without a process have been ended by now
        shown = ", ".join(map(str, alive[:10]))
        raise ConfigError(f"{KEY}: job {shown} of {folder.name} is still running, in another process")
    folder.mkdir(parents=True, exist_ok=True)
    remember(jobs[0].place.runs, folder)
    check_folders_of_before(known, jobs)
    told = {
        str(job.number): {"overrides": list(job.overrides), "hash": hashes[job.number], "folder": job.place.folder.name}
        for job in jobs
    }
    command = json.loads(os.environ.get("STACKPROP_COMMAND", "[]"))
    launch = os.environ.get("STACKPROP_ID", "")
    if not read_sweep(folder) and any("hydra.launcher." in word for word in command):
        trust(_of_command(command), folder)
    own = {"launch": launch, "launched": time.time(), "jobs": {**known, **told}}
    write_json(folder / SWEEP, {"command": command, "key": new_key(), **read_sweep(folder), **own})
    return {job.number: value_of(job.place.folder) for job in jobs if is_done(job.place.folder, hashes[job.number])}


def check_folders_of_before(known: Mapping[str, Any], jobs: Sequence[Job]) -> None:
    """
    Raises:
        ConfigError: a job of a later batch would be written where one of an earlier batch is.
    """
    taken = {told.get("folder"): number for number, told in known.items()}
    for job in jobs:
        other = taken.get(job.place.folder.name, str(job.number))
        if other != str(job.number):
            raise ConfigError(
                f"hydra.sweep.subdir: jobs {other} and {job.number} would both be written to '{job.place.folder.name}'; "
                "name every value that is swept, or use ${hydra.job.num}"
            )


def is_done(folder: Path, found: str) -> bool:
    """Whether a job with that hash has finished there."""
    state = read_state(folder)
    return is_finished(folder) and state.get("state") == "FINISHED" and state.get("config_hash") == found


def value_of(folder: Path) -> float | None:
    """The last validation loss of a run."""
    value = read_state(folder).get("metrics", {}).get("val/loss")
    return None if value is None or not math.isfinite(float(value)) else float(value)


def set_aside(place: RunLocation, tracking: Tracking, own: Sequence[str] = ()) -> None:
    """Keep what an earlier attempt left, and let the store's run say that it is one.

    Args:
        own: what is there of the attempt that begins now.
    """
    folder = place.folder
    if not any((folder / name).exists() for name in ("run.json", "metrics.jsonl")):
        return
    kept = inside(folder.parent, "attempts")
    aside = next(path for i in itertools.count(1) if not (path := kept / f"{folder.name}-{i}").exists())
    state, tags = read_state(folder), {"sweep": f"{folder.parent.name}-attempt", "stackprop.folder": str(aside.resolve())}
    if state:  # said before it is done: what the store was not told, because it is down or we die, it is told later
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
