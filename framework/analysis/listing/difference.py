"""What differs between recorded runs, or between sweeps: configuration, code, data, results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from framework.analysis.comparison import none_started
from framework.analysis.listing.rows import RunRow, SweepRow, folded
from framework.core.errors import ConfigError
from framework.tracking.folders import SWEEP
from framework.tracking.locks import current_state
from framework.tracking.mlflow import flattened
from framework.tracking.naming import KEYS as ABOUT
from framework.tracking.naming import format_value, keyed
from framework.tracking.origins import label, read
from framework.tracking.run_dir import jobs_of, read_sweep, tree_of_run

Sections = dict[str, dict[str, list[str]]]  # part -> key -> a value for each run
NONE = "-"
UNTOLD = (*ABOUT, "tracking", "figure")  # keys that say where a run is recorded, and what is shown of it
TIMES = ("seconds",)  # results that differ between two equal runs
CHOICES = ("model", "experiment")  # groups whose choice the configuration itself does not name


def row_of(folder: Path) -> RunRow | SweepRow:
    """A run or a sweep.

    Raises:
        ConfigError: a sweep without any job.
    """
    above = folder.parent
    if (folder / "run.json").is_file():
        group = read_sweep(above) if (above / SWEEP).is_file() else {}
        return RunRow(folder, current_state(folder), above if group else None, group)
    group = read_sweep(folder)
    runs = [RunRow(job, current_state(job), folder, group) for job in jobs_of(folder)]
    if not runs:
        raise none_started(folder)
    return folded(runs, runs)[0]


def differing(rows: Sequence[RunRow | SweepRow]) -> Sections:
    """What differs, part by part; equal values are left out.

    Raises:
        ConfigError: runs and sweeps cannot be compared, or a configuration cannot be read.
    """
    sweeps = [row for row in rows if isinstance(row, SweepRow)]
    if sweeps and len(sweeps) < len(rows):
        raise ConfigError(f"{sweeps[0].folder} is a sweep, others are runs; compare its best job: {sweeps[0].name}/best")
    parts = [about_sweep(row) for row in sweeps] or [about_run(row) for row in rows if isinstance(row, RunRow)]
    for part in parts:  # a component of one run only is in its configuration
        part["code"] = {key: value for key, value in part.get("code", {}).items() if all(key in p["code"] for p in parts)}
    return {title: table for title in parts[0] if (table := _unequal([part[title] for part in parts]))}


def is_equal(found: Sections) -> bool:
    """Whether nothing differs but the time that the runs took."""
    return all(set(table) <= set(TIMES) for table in found.values())


def about_run(row: RunRow) -> dict[str, dict[str, str]]:
    """Part -> key -> value of a run."""
    state, plugins = row.state, read(row.folder)
    tree = {key: value for key, value in tree_of_run(row.folder).items() if key not in UNTOLD}
    chosen = {key: str(state.get("choices", {}).get(key, NONE)) for key in CHOICES}
    code = {"version": str(state.get("version", NONE)), "commit": str(state.get("commit", NONE))}
    code |= {name: label(about, exact=True) for part in plugins.values() for name, about in part.items()}
    data = state.get("data")
    kept = state.get("kept") or {}
    results = {"status": row.status, **{name: f"{value:.6g}" for name, value in row.metrics.items()}}
    if "steps" in kept:
        results |= {"steps": str(kept["steps"]), "saved weights": _saved(kept)}
    results["tier"] = str(state.get("tier", NONE))
    seconds = row.value("seconds")
    results |= {"seconds": f"{seconds:.1f}"} if isinstance(seconds, float) else {}
    return {
        "configuration": chosen | {key: format_value(value) for key, value in flattened(tree)},
        "code": code,
        "data": {key: format_value(value) for key, value in flattened(data)} if isinstance(data, Mapping) else {},
        "results": results,
    }


def _saved(kept: Mapping[str, Any]) -> str:
    """Which weights a run has saved: `the last`, or `of step 34 (epoch 1)`."""
    if kept.get("step") in (None, kept["steps"]):
        return "the last"
    return f"of step {kept['step']} (epoch {kept.get('epoch', NONE)})"


def about_sweep(row: SweepRow) -> dict[str, dict[str, str]]:
    """Part -> key -> value of a sweep."""
    given = keyed(word for word in row.group.get("command") or [] if "=" in word)
    best = row.best()
    return {
        "command": {key: value for key, value in given.items() if key.partition(".")[0] not in UNTOLD},
        "swept": {key: ", ".join(values) for key, values in row.swept.items()},
        "results": {
            "status": row.status,
            "best job": best.folder.name,
            **{f"best job's {key}": best.overrides.get(key, NONE) for key in row.swept},
            **{f"its {name}": f"{value:.6g}" for name, value in row.metrics.items()},
        },
    }


def _unequal(columns: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    keys = dict.fromkeys(key for column in columns for key in column)
    table = {key: [str(column.get(key, NONE)) for column in columns] for key in keys}
    return {key: values for key, values in table.items() if len(set(values)) > 1}
