"""Where runs and sweeps lie, and how a person names one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from framework.core.errors import ConfigError, did_you_mean
from framework.core.reading import read_mapping, read_text, read_yaml
from framework.core.writing import appending, check_no_link, write_json

SWEEP = "sweep.json"  # what a sweep was asked to do, and what came of it
ELSEWHERE = ".elsewhere"  # in the folder of runs: the folders of runs and sweeps that were written outside it, one a line
NAMES = ("last", "best")


def runs_dir() -> Path:
    """The folder of all runs: `./runs`, or where STACKPROP_RUNS says."""
    return Path(os.environ.get("STACKPROP_RUNS", "runs"))


def all_runs(runs: Path) -> Iterator[Path]:
    """The folders of all runs, single ones and jobs of sweeps, those outside the folder of runs too."""
    yield from (path.parent for path in sorted(runs.glob("*/run.json")))
    yield from (path.parent for path in sorted(runs.glob("*/*/run.json")))
    for folder in elsewhere(runs):
        found = (folder / "run.json", *sorted(folder.glob("*/run.json")))
        yield from (path.parent for path in found if os.path.isfile(path))


def all_records(runs: Path) -> Iterator[Path]:
    """The folders of all runs, and of the attempts that a resumed sweep has set aside."""
    yield from all_runs(runs)
    for place in (runs, *elsewhere(runs)):
        patterns = ("*/attempts/*/run.json", "attempts/*/run.json")[place is not runs :]
        yield from (path.parent for pattern in patterns for path in sorted(place.glob(pattern)))


def all_sweeps(runs: Path) -> list[Path]:
    """The folders of all sweeps, the one that was launched last at the end."""
    found = [*(path.parent for path in runs.glob(f"*/{SWEEP}")), *elsewhere(runs)]
    return sorted((folder for folder in found if os.path.isfile(folder / SWEEP)), key=_launched)


def _launched(folder: Path) -> float:
    told = read_sweep(folder).get("launched")
    return float(told) if isinstance(told, int | float) else folder.stat().st_mtime


def elsewhere(runs: Path) -> list[Path]:
    """The folders outside it that `remember` wrote down."""
    try:
        lines = read_text(runs / ELSEWHERE).splitlines()
    except (OSError, ValueError):
        return []
    return [Path(os.path.normpath(runs / line)) for line in dict.fromkeys(lines)]


def remember(runs: Path, folder: Path) -> None:
    """Write down a run's or a sweep's folder that lies outside the folder of runs, so that `last` finds it. Relative to
    it: a project that is moved as a whole keeps it."""
    runs, folder = runs.resolve(), folder.resolve()
    if runs in (folder, folder.parent) or folder in elsewhere(runs):
        return
    runs.mkdir(parents=True, exist_ok=True)
    with open(appending(runs / ELSEWHERE), "a", encoding="utf-8") as file:
        file.write(f"{os.path.relpath(folder, runs)}\n")


def read_sweep(folder: Path) -> dict[str, Any]:
    """What `sweep.json` says; nothing where it is missing, or is not what a sweep writes."""
    told = read_mapping(folder / SWEEP)
    kinds = {"command": list, "jobs": dict, "objective": dict, "best": dict, "key": str, "launch": str}
    sound = all(isinstance(told.get(key) or kind(), kind) for key, kind in kinds.items())
    return told if sound and all(isinstance(word, str) for word in told.get("command") or []) else {}


def update_sweep(folder: Path, changes: Mapping[str, Any]) -> None:
    """Change keys of a `sweep.json` that is there."""
    if known := read_sweep(folder):
        write_json(folder / SWEEP, {**known, **changes})


def find_run(word: str, runs: Path) -> Path:
    """A run's folder from its path, its name under `runs/`, the id of its MLflow run, `last`, or `best`: the best job of the
    last sweep; `SWEEP/best` is that of another one.

    Raises:
        ConfigError: there is no such run; near names are offered.
    """
    check_name(word)
    for folder in (Path(word), runs / word):
        if (folder / "run.json").exists():
            if not read_state(folder):
                print(
                    f"stackprop: warning: {folder / 'run.json'} cannot be read; how the run ended is not known",
                    file=sys.stderr,
                )
            return folder
        if (folder / SWEEP).is_file():
            raise ConfigError(f"{word} is a sweep; {word}/best is its best job")
    sweep, _, name = word.rpartition("/")
    if name == "best":
        if not sweep and not all_sweeps(runs):
            raise ConfigError(f"best: it is the best job of the last sweep, and there is no sweep yet in {runs}")
        return best_run(find_sweep(sweep or "last"))
    folders = list(all_runs(runs))
    if word == "last" and folders:
        return newest(folders)
    for folder in folders:
        if read_state(folder).get("mlflow_run_id") == word:
            return folder
    raise _missing("run", word, runs, [os.path.relpath(folder, runs) for folder in folders])


def check_name(word: Any) -> None:
    """
    Raises:
        ConfigError: it cannot name a run or a sweep.
    """
    if not isinstance(word, str | os.PathLike):
        raise ConfigError(f"a run is named by a folder, a name, an id, last or best (got {word!r})")


def newest(folders: Sequence[Path]) -> Path:
    """The run that was started last."""
    return max(folders, key=lambda folder: read_state(folder).get("started", 0))


def best_run(sweep: Path) -> Path:
    """The best job of a sweep, as its end or `stackprop compare` wrote it down.

    Raises:
        ConfigError: it has none.
    """
    best = read_sweep(sweep).get("best")
    if not best:
        raise ConfigError(f"{sweep}: no best job is known; `stackprop compare {sweep}` looks for it once jobs have finished")
    return sweep / str(best["job"])


def _missing(what: str, word: str, runs: Path, known: Sequence[str]) -> ConfigError:
    names = NAMES if what == "run" else NAMES[:1]
    offered = did_you_mean(word, [*known[-20:], *names]) if known else f"; there are no {what}s yet"
    return ConfigError(f"no {what} '{word}' in {runs}{offered}")


def find_sweep(word: str) -> Path:
    """A sweep's folder from its path, its name under `runs/`, or `last`.

    Raises:
        ConfigError: there is no such sweep.
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
    for folder in (Path(word), runs / word):
        if (folder / "multirun.yaml").is_file():
            raise ConfigError(f"{folder}: the sweep was stopped before it had jobs; nothing is lost, give its command again")
    raise _missing("sweep", word, runs, [path.name for path in known])


def store_dir(folder: Path) -> Path:
    """The folder of runs that a run belongs to, as its record says; for older ones the nearest folder above it with a
    tracking store, or the one it lies in."""
    recorded, folder = read_state(folder).get("runs"), folder.resolve()
    runs = Path(os.path.normpath(folder / str(recorded)))
    # A record may name any folder; one that runs are written to knows of its own.
    if recorded and runs.is_dir() and any(folder.is_relative_to(known) for known in (runs, *elsewhere(runs))):
        return runs
    above = [parent for parent in folder.parents if (parent / "mlflow.db").exists() or (parent / ".running").is_dir()]
    return above[0] if above else folder.parent


def is_finished(folder: Path) -> bool:
    """Whether a run came to its end."""
    return read_state(folder).get("status") in ("finished", "stopped_early", "diverged")


def check_unused(folder: Path) -> None:
    """
    Raises:
        ConfigError: the folder holds a run already; a second one would be mixed into its record.
        LinkError: a link lies where Hydra would write.
    """
    for path in (folder / ".hydra", *folder.glob(".hydra/*"), *folder.glob("*.log")):
        check_no_link(path)
    if any(os.path.lexists(folder / name) for name in ("run.json", "metrics.jsonl")):
        status = read_state(folder).get("status", "without a run.json")
        raise ConfigError(
            f"hydra.run.dir: '{folder}' holds a run already ({status}); choose another folder, remove this one, or continue "
            f"a run that was interrupted with `stackprop resume {folder}`"
        )


__all__ = [
    "all_runs",
    "all_sweeps",
    "best_run",
    "check_unused",
    "find_run",
    "find_sweep",
    "is_finished",
    "newest",
    "read_sweep",
    "remember",
    "runs_dir",
    "store_dir",
    "update_sweep",
]


@dataclass(frozen=True)
class RunLocation:
    """Where a run is written, and what it is known by.

    Attributes:
        folder: the run's own folder.
        runs: the folder of all runs, with the tracking store.
        name: what the run is called in the UI.
        tags: the sweep it belongs to.
        command: what repeats it.
    """

    folder: Path
    runs: Path
    name: str
    tags: Mapping[str, str] = field(default_factory=dict)
    command: str = ""


STATE = {  # what the entries of `run.json` are, as far as anybody reads them
    str: ("status", "reason", "name", "command", "runs", "state", "config_hash", "key"),
    dict: ("tags", "metrics", "lower_is_better"),
    int: ("steps", "validations"),
}


def read_state(folder: Path) -> dict[str, Any]:
    """What `run.json` says; nothing where it is missing, or is not what a run writes."""
    told = read_mapping(folder / "run.json")
    if any(not isinstance(told.get(key, kind()), kind) for kind, keys in STATE.items() for key in keys):
        return {}
    try:
        numbers = [told.get("started", 0), *told.get("metrics", {}).values(), (told.get("kept") or {}).get("step", 0)]
        list(map(float, numbers))
    except (TypeError, ValueError, AttributeError):
        return {}
    return told if "status" in told else {}


def tree_of_run(folder: Path) -> dict[str, Any]:
    """The configuration a run was made with, as it was written; no code is loaded for it.

    Raises:
        ConfigError: `config.yaml` is missing, or is not a configuration.
    """
    try:
        tree = read_yaml(folder / "config.yaml")
    except OSError as error:
        raise ConfigError(f"{folder}/config.yaml: it cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise ConfigError(str(error)) from error
    if not isinstance(tree, dict):
        raise ConfigError(f"{folder}/config.yaml: it is not a configuration")
    return tree


SUMMARY = "study.md"
