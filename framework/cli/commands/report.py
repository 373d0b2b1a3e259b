"""`stackprop report [RUN|SWEEP]`: figures, tables and configuration of a run or a sweep as one HTML file."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from framework.analysis.report import write
from framework.analysis.sweep_table import compare
from framework.core.errors import ConfigError, did_you_mean
from framework.tracking.run_dir import NAMES, all_runs, all_sweeps, find_run, find_sweep, newest, read_state, runs_dir


def main(arguments: Sequence[str]) -> int:
    """Write `report.html` into its folder, and print where."""
    parser = argparse.ArgumentParser("stackprop report", description=__doc__)
    parser.add_argument("what", nargs="?", default="last", help="a run or a sweep: folder, name, MLflow id; or: last, best")
    folder = find(parser.parse_args(arguments).what)
    if not (folder / "run.json").is_file() and not (folder / "table.md").is_file():
        compare(folder, {"x": "step", "y": None, "panels": None})  # a killed sweep has no table yet
    print(f"report: {write(folder)}")
    return 0


def find(word: str) -> Path:
    """The folder of a run or of a sweep; `last` is the last one started, a sweep as a whole; `best` is the best job of the
    last sweep.

    Raises:
        ConfigError: unknown run or sweep.
    """
    runs = runs_dir()
    if word == "last" and (known := list(all_runs(runs))):
        last = newest(known)
        return last.parent if "sweep" in read_state(last).get("tags", {}) else last
    with suppress(ConfigError):
        return find_run(word, runs)
    with suppress(ConfigError):
        return find_sweep(word)
    folder = next((path for path in (Path(word), runs / word) if path.is_dir()), None)
    if folder is not None:
        raise ConfigError(f"{folder}: neither a run nor a sweep; it contains no run.json")
    names = [os.path.relpath(path, runs) for path in all_runs(runs)] + [path.name for path in all_sweeps(runs)]
    raise ConfigError(f"unknown run or sweep '{word}' in {runs}{did_you_mean(word, [*names[-40:], *NAMES])}")
