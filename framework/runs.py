"""Where runs lie, and how a person names one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from framework.config import ConfigError
from framework.record import read_state
from framework.registry import nearest


def runs_dir() -> Path:
    """The folder of all runs: `./runs`, or where STACKPROP_RUNS says."""
    return Path(os.environ.get("STACKPROP_RUNS", "runs"))


def all_runs(runs: Path) -> Iterator[Path]:
    """The folders of all runs, single ones and jobs of sweeps."""
    yield from (path.parent for path in sorted(runs.glob("*/run.json")))
    yield from (path.parent for path in sorted(runs.glob("sweep-*/*/run.json")))


def find_run(word: str, runs: Path) -> Path:
    """A run's folder from its path, its name under `runs/`, the id of its MLflow run, or `last`.

    Raises:
        ConfigError: there is no such run; near names are offered.
    """
    for folder in (Path(word), runs / word):
        if (folder / "run.json").is_file():
            return folder
    folders = list(all_runs(runs))
    if word == "last" and folders:
        return max(folders, key=lambda folder: read_state(folder).get("started", 0))
    for folder in folders:
        if read_state(folder).get("mlflow_run_id") == word:
            return folder
    raise _missing("run", word, runs, [str(folder.relative_to(runs)) for folder in folders])


def _missing(what: str, word: str, runs: Path, known: Sequence[str]) -> ConfigError:
    offered = nearest(word, [*known[-20:], "last"]) if known else "; there is none yet"
    return ConfigError(f"no {what} '{word}' in {runs}{offered}")


def find_sweep(word: str) -> Path:
    """A sweep's folder from its path, its name under `runs/`, or `last`.

    Raises:
        ConfigError: there is no such sweep.
    """
    runs = runs_dir()
    known = sorted(runs.glob("sweep-*"), key=lambda path: path.stat().st_mtime)
    if word == "last" and known:
        return known[-1]
    for folder in (Path(word), runs / word):
        if any(folder.glob("*/run.json")):
            return folder
    raise _missing("sweep", word, runs, [path.name for path in known])


def store_dir(folder: Path) -> Path:
    """The folder of runs that a run belongs to: the nearest one above it with a tracking store, or the one it lies in."""
    folder = folder.resolve()
    above = [parent for parent in folder.parents if (parent / "mlflow.db").exists() or (parent / ".running").is_dir()]
    return above[0] if above else folder.parent


def is_finished(folder: Path) -> bool:
    """Whether a run came to its end."""
    return read_state(folder).get("status") in ("finished", "stopped_early", "diverged")


__all__ = ["all_runs", "find_run", "find_sweep", "is_finished", "runs_dir", "store_dir"]
