"""Finds the folders of runs and sweeps, by path or by name."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from framework.core.errors import ConfigError, did_you_mean
from framework.core.log import log
from framework.core.reading import read_bytes, read_mapping, read_yaml
from framework.core.writing import check_no_link, write_json
from framework.tracking.folders import RUN, SWEEP, elsewhere, sweeps_in, walk
from framework.tracking.naming import About, Kind, about_of, newest_named

TASKS = "tasks.json"  # those of its jobs that a cluster has
NAMES = ("last", "best")
NEWEST = 40  # folders that the message about an unknown name offers
# The value of each `started` in a record, without that of its process, which counts from the start of the machine.
STARTED = re.compile(rb'"process"\s*:\s*\{[^{}]*\}|"started"\s*:\s*([^\s,}]+)')


def runs_dir() -> Path:
    """The folder of all runs: `./runs`, or STACKPROP_RUNS."""
    return Path(os.environ.get("STACKPROP_RUNS", "runs"))


def all_sweeps(runs: Path) -> list[Path]:
    """The folders of all sweeps, the last one launched at the end."""
    return by_launch(sweeps_in(runs))


def by_launch(sweeps: Iterable[Path]) -> list[Path]:
    """The folders of sweeps, the last one launched at the end."""
    return sorted(sweeps, key=_launched)


def _launched(folder: Path) -> float:
    launched = read_sweep(folder).get("launched")
    return float(launched) if isinstance(launched, int | float) else folder.stat().st_mtime


def read_sweep(folder: Path) -> dict[str, Any]:
    """The content of `sweep.json`; empty if it is missing or not valid."""
    content = read_mapping(folder / SWEEP)
    kinds = {"command": list, "jobs": dict, "objective": dict, "best": dict, "key": str, "launch": str}
    sound = all(isinstance(content.get(key) or kind(), kind) for key, kind in kinds.items())
    return content if sound and all(isinstance(word, str) for word in content.get("command") or []) else {}


def update_sweep(folder: Path, changes: Mapping[str, Any]) -> None:
    """Change keys of an existing `sweep.json`."""
    if known := read_sweep(folder):
        write_json(folder / SWEEP, {**known, **changes})


class SweepGivenError(ConfigError):
    """A sweep where one run is needed.

    Attributes:
        folder: of the sweep.
    """

    def __init__(self, word: str, folder: Path) -> None:
        super().__init__(f"{word}: this is a sweep; use {word}/best for its best job")
        self.folder = folder


def find_run(word: str, runs: Path) -> Path:
    """A run's folder from its path, its folder's name under `runs/`, its own name (the newest of several), the id of its
    MLflow run or the beginning of that id, `last`, or `best`: the best job of the last sweep. `SWEEP/best` is that of
    another sweep, `SWEEP/3` a job.

    Raises:
        SweepGivenError: it is a sweep.
        ConfigError: unknown run, or several; the message suggests close names.
    """
    if found := _run(word, runs):
        return found
    if sweep := newest_named(word, all_sweeps(runs), SWEEPS):
        raise SweepGivenError(word, sweep)
    raise _missing("run", word, runs, _names(runs, walk(runs).runs))


def _run(word: str, runs: Path) -> Path | None:
    """A run's folder; None if no run is named so."""
    check_name(word)
    for folder in (Path(word), runs / word):
        if (folder / "run.json").exists():
            if not read_state(folder):
                log.warning(f"{folder / 'run.json'} cannot be read; the status of the run is unknown")
            return folder
        if (folder / SWEEP).is_file():
            raise SweepGivenError(word, folder)
    sweep, _, name = word.rpartition("/")
    if name == "best":
        if not sweep and not all_sweeps(runs):
            raise ConfigError(f"best: there is no sweep yet in {runs}; it means the best job of the last sweep")
        return best_run(find_sweep(sweep or "last"))
    folders = walk(runs).runs
    if word == "last" and folders:
        return newest(folders)
    return newest_named(word, folders, RUNS) or (_job(sweep, name) if sweep else None)


def _job(sweep: str, name: str) -> Path | None:
    """A job of a sweep that is given by its name."""
    try:
        folder = find_sweep(sweep) / name
    except ConfigError:
        return None
    return folder if (folder / "run.json").is_file() else None


def find_any(word: str) -> Path:
    """The folder of a run or of a sweep; `last` is the last one started, a sweep as a whole; `best` is the best job of the
    last sweep.

    Raises:
        ConfigError: unknown run or sweep, or several.
    """
    check_name(word)
    runs = runs_dir()
    if word == "last" and (found := walk(runs)).runs:
        last = newest(found.runs)
        if (waiting := _waiting(found.sweeps)) and _launched(waiting) > float(read_state(last).get("started", 0)):
            return waiting
        return last.parent if "sweep" in read_state(last).get("tags", {}) else last
    for folder in (Path(word), runs / word):
        if (folder / SWEEP).is_file() and not (folder / "run.json").exists():
            return folder
    if not (run := _run(word, runs)):
        with suppress(ConfigError):
            return find_sweep(word)
        if any((folder := path).is_dir() for path in (Path(word), runs / word)):
            raise ConfigError(f"{folder}: neither a run nor a sweep; it contains no run.json")
        names = _names(runs, walk(runs).runs) + _names(runs, all_sweeps(runs))
        raise _missing("run or sweep", word, runs, names)
    same = newest_named(word, all_sweeps(runs), SWEEPS)  # a run and a sweep may have one name
    return same if same and _launched(same) > float(read_state(run).get("started", 0)) else run


def _waiting(sweeps: Sequence[Path]) -> Path | None:
    """The last sweep, if its jobs wait in a cluster."""
    last = next(reversed(by_launch(sweeps)), None)
    return last if last and (last / TASKS).is_file() else None


def origin_of(folder: Path) -> str:
    """How a tag names the run that another one comes from: its folder; of a job, with that of its sweep."""
    folder = folder.resolve()
    return f"{folder.parent.name}/{folder.name}" if (folder.parent / SWEEP).is_file() else folder.name


def check_name(word: Any) -> None:
    """Check that a value can name a run or a sweep.

    Raises:
        ConfigError: it cannot.
    """
    if not isinstance(word, str | os.PathLike):
        raise ConfigError(f"not a name of a run (got {word!r}); use a folder, a name, an id, last or best")


def newest(folders: Sequence[Path]) -> Path:
    """The run that was started last.

    A record is parsed only if its text allows a later start than those before; names and times of files promise nothing,
    since folders are renamed, copied and resumed.
    """
    last, latest = folders[0], -math.inf
    for folder in reversed(folders):  # usually the latest comes first
        if _bound(folder) < latest:
            continue
        started = float(read_state(folder).get("started", 0))
        if started >= latest:
            last, latest = folder, started
    return last


def _bound(folder: Path) -> float:
    """A time that the start of a run does not exceed: the latest in the text of its record."""
    try:
        times = [float(text) for text in STARTED.findall(read_bytes(folder / RUN)) if text]
    except (OSError, ValueError):
        return math.inf
    return max(0.0, *times) if times else math.inf


def best_run(sweep: Path) -> Path:
    """The best job of a sweep, as recorded at its end or by `stackprop compare`.

    Raises:
        ConfigError: none is recorded.
    """
    best = read_sweep(sweep).get("best")
    if not best:
        raise ConfigError(f"{sweep}: no best job is recorded; `stackprop compare {sweep}` finds it once jobs have finished")
    return sweep / str(best["job"])


def _names(runs: Path, folders: Sequence[Path]) -> list[str]:
    """The names that a message offers: of the newest folders, and those that were given."""
    newest = folders[-NEWEST:]
    given = [about_of(read_state(folder) or read_sweep(folder)).name for folder in newest]
    return [*(os.path.relpath(folder, runs) for folder in newest), *dict.fromkeys(filter(None, given))]


def _missing(what: str, word: str, runs: Path, known: Sequence[str]) -> ConfigError:
    names = NAMES[:1] if what == "sweep" else NAMES
    none = f"; there are no {'sweeps' if what == 'sweep' else 'runs'} yet"
    offered = did_you_mean(word, [*known, *names]) if known else none
    unused = "; a recorded run keeps its configuration, so that this sets nothing here" if "=" in word else ""
    return ConfigError(f"unknown {what} '{word}' in {runs}{unused or offered}")


def find_sweep(word: str) -> Path:
    """A sweep's folder from its path, its folder's name under `runs/`, its own name (the newest of several), the id of its
    summary in the store, or `last`.

    Raises:
        ConfigError: unknown sweep.
    """
    check_name(word)
    runs = runs_dir()
    for folder in (Path(word), runs / word):
        if word != "last" and ((folder / SWEEP).is_file() or any(folder.glob("*/run.json"))):
            return folder
    known = all_sweeps(runs)
    for folder in reversed(known):
        if word in ("last", folder.name):
            return folder
    if found := newest_named(word, known, SWEEPS):
        return found
    for folder in (Path(word), runs / word):
        if (folder / "multirun.yaml").is_file():
            raise ConfigError(f"{folder}: no job was started before the sweep was stopped; run its command again")
    raise _missing("sweep", word, runs, _names(runs, known))


def store_dir(folder: Path) -> Path:
    """The folder of runs that a run belongs to, as recorded; for older runs the closest folder above it with a tracking
    store, or the one it lies in."""
    recorded, folder = read_state(folder).get("runs"), folder.resolve()
    runs = Path(os.path.normpath(folder / str(recorded)))
    # A record may name any folder; a folder of runs lists its own runs.
    if recorded and runs.is_dir() and any(folder.is_relative_to(known) for known in (runs, *elsewhere(runs))):
        return runs
    above = [parent for parent in folder.parents if (parent / "mlflow.db").exists() or (parent / ".running").is_dir()]
    return above[0] if above else folder.parent


def is_finished(folder: Path) -> bool:
    """Whether a run has finished."""
    return read_state(folder).get("status") in ("finished", "stopped_early", "pruned", "diverged")


def jobs_of(sweep: Path) -> list[Path]:
    """The folders of the started jobs of a sweep, in order. Links are left out: they may lead to other runs."""
    found = [path for path in sweep.glob("*/run.json") if not path.is_symlink() and not path.parent.is_symlink()]
    return sorted((path.parent for path in found), key=lambda job: (len(job.name), job.name))


def outermost(folders: Iterable[Path]) -> list[Path]:
    """The folders, each once, without jobs of a sweep that is among them."""
    given = {folder.resolve(): folder for folder in folders}
    return [folder for own, folder in given.items() if own.parent not in given]


def check_unused(folder: Path) -> None:
    """Check that a folder holds no run yet.

    Raises:
        ConfigError: it holds a run; a second one would mix with its record.
        LinkError: there is a link where Hydra would write.
    """
    for path in (folder / ".hydra", *folder.glob(".hydra/*"), *folder.glob("*.log")):
        check_no_link(path)
    if any(os.path.lexists(folder / name) for name in ("run.json", "metrics.jsonl")):
        status = read_state(folder).get("status", "without a run.json")
        raise ConfigError(
            f"hydra.run.dir: '{folder}' already holds a run ({status}); choose another folder, remove this one, or continue "
            f"an interrupted run with `stackprop resume {folder}`"
        )


__all__ = [
    "all_sweeps",
    "best_run",
    "by_launch",
    "check_unused",
    "find_any",
    "find_run",
    "find_sweep",
    "is_finished",
    "newest",
    "read_sweep",
    "runs_dir",
    "store_dir",
    "update_sweep",
]


@dataclass(frozen=True)
class RunLocation:
    """The folder of a run, and its name, tags and command.

    Attributes:
        folder: the folder of the run.
        runs: the folder of all runs, with the tracking store.
        name: the name of the run in the UI.
        tags: names the sweep it belongs to.
        command: the command that repeats it.
        about: what the user says about it.
        choices: group -> the chosen preset or component: `model` -> `mlp`.
    """

    folder: Path
    runs: Path
    name: str
    tags: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    about: About = field(default_factory=About)
    choices: Mapping[str, str] = field(default_factory=dict)


STATE = {  # the types of the entries of `run.json` that are read
    str: ("status", "reason", "name", "command", "runs", "state", "config_hash", "key"),
    dict: ("tags", "metrics", "lower_is_better", "about", "choices", "process"),
    int: ("steps", "validations", "steps_per_epoch"),
}
ENTRIES = [(key, kind()) for kind, keys in STATE.items() for key in keys]
TYPES = [type(default) for _, default in ENTRIES]


def read_state(folder: Path) -> dict[str, Any]:
    """The content of `run.json`; empty if it is missing or not valid."""
    content = read_mapping(folder / "run.json")
    if [type(content.get(key, default)) for key, default in ENTRIES] != TYPES:
        return {}
    try:
        numbers = [
            content.get("started", 0),
            *content.get("metrics", {}).values(),
            (content.get("kept") or {}).get("step", 0),
        ]
        list(map(float, numbers))
    except (TypeError, ValueError, AttributeError, OverflowError):
        return {}
    return content if "status" in content else {}


def tree_of_run(folder: Path) -> dict[str, Any]:
    """The recorded configuration of a run; no code is loaded for it.

    Raises:
        ConfigError: `config.yaml` is missing, or is not a configuration.
    """
    try:
        tree = read_yaml(folder / "config.yaml")
    except OSError as error:
        raise ConfigError(f"{folder}/config.yaml: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise ConfigError(str(error)) from error
    if not isinstance(tree, dict):
        raise ConfigError(f"{folder}/config.yaml: not a configuration")
    return tree


RUNS = Kind("runs", "run.json", read_state, "mlflow_run_id", "started")
SWEEPS = Kind("sweeps", SWEEP, read_sweep, "summary", "launched")
SUMMARY = "study.md"
HELD_OUT = "held_out.csv"  # predictions of a fold, for the examples that did not train
