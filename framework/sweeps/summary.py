"""The summary run of a sweep in the tracking store: means and spread over seeds, table, figure, and the best job."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from framework.analysis import importance
from framework.analysis.comparison import RecordedJob, SeedGroup, spread
from framework.config.schema import Settings
from framework.core.errors import ConfigError
from framework.core.reading import read_text
from framework.experiments import artifacts
from framework.experiments.experiment import prepare
from framework.experiments.loading import load, settings_of_run
from framework.tracking.mlflow import KEY, MlflowRun, MlflowStore, get_store, new_key
from framework.tracking.naming import about_of
from framework.tracking.run_dir import SWEEP, read_state, read_sweep, tree_of_run, update_sweep

NOTE = 7900  # characters, of 8000 that a tag holds
GROUPS = 100  # maximum rows of the table that become params


def record(sweep: Path, runs: Path, groups: Sequence[SeedGroup], shown: Mapping[str, str]) -> None:
    """Write the summary of a sweep, updating the same run if the sweep was resumed.

    Args:
        groups: the rows of the table, in its order.
        shown: metric -> the value to show: last, first, best ...

    Raises:
        Exception: an error of the store.
    """
    jobs = [job for group in groups for job in group.jobs]
    content = read_sweep(sweep)
    best = (content.get("best") or {}).get("job")
    settings = settings_of_run(sweep / (best or _readable(sweep, jobs)))
    if settings.tracking.type != "mlflow":
        return
    store = get_store(settings.tracking, runs)
    run = _summary_run(store, sweep, groups, content)
    for name, points in series(groups, shown).items():
        run.points([(name, value, place, 0) for place, value in enumerate(points) if math.isfinite(value)])
    for path in (
        sweep / "comparison.png",
        sweep / "search.png",
        sweep / importance.FIGURE,
        sweep / "table.md",
        sweep / SWEEP,
    ):
        if path.exists():
            run.artifact(path)
    run.tag("mlflow.note.content", _note(sweep, content))
    run.tag("stackprop.status", _counted(jobs))
    if best:
        run.tag("sweep.best", str(read_state(sweep / best).get("mlflow_run_id")))
    run.end("FINISHED" if all(job.status in ("finished", "stopped_early") for job in jobs) else "FAILED")
    if best and content.get("best_logged") != best and settings.study is None:  # a study has logged its own files
        _log_best(sweep / best, settings, store)
    update_sweep(sweep, {"summary": run.run_id, "best_logged": best})


def _readable(sweep: Path, jobs: Sequence[RecordedJob]) -> str:
    """The first job whose configuration can be read."""
    for job in jobs:
        with suppress(ConfigError):
            tree_of_run(sweep / job.name)
            return job.name
    return jobs[0].name


def series(groups: Sequence[SeedGroup], shown: Mapping[str, str]) -> dict[str, list[float]]:
    """`mean/val/loss` and `std/val/loss` ..., a value for each row of the table, the last row first: a store shows the
    newest point of a series as its value, which must be that of the best row."""
    found = {}
    for metric, at in shown.items():
        values = [group.values(metric, at) for group in reversed(groups)]
        found[f"mean/{metric}"] = [float(v.mean()) if len(v) else math.nan for v in values]
        found[f"std/{metric}"] = [spread(v) if len(v) > 1 else math.nan for v in values]
    return found


def _summary_run(store: MlflowStore, sweep: Path, groups: Sequence[SeedGroup], content: Mapping[str, Any]) -> MlflowRun:
    """The summary run of a sweep: that of its key, or an older one without a key."""
    if "key" not in content:
        update_sweep(sweep, content := {**content, "key": new_key()})
    known = store.find(content["key"]) or content.get("summary")
    params = {f"row.{i}": " ".join(f"{k}={v}" for k, v in group.keys.items()) for i, group in enumerate(groups[:GROUPS])}
    about = about_of(content)
    tags = {"kind": "sweep", "sweep": sweep.name, "stackprop.folder": str(sweep.resolve()), KEY: content["key"]}
    tags = {**about.tags, **tags}
    with suppress(Exception):  # it may not be in the store any more
        if known:
            return store.reopen(known, params, tags)
    return store.begin(about.name or sweep.name, params, tags)


def _note(sweep: Path, content: Mapping[str, Any]) -> str:
    """The page of the run: what the user notes about the sweep, its command, and its table."""
    command = " ".join(["stackprop", *map(str, json.loads(json.dumps(content.get("command", []))))])
    table = read_text(sweep / "table.md") if (sweep / "table.md").exists() else ""
    lines = table.splitlines(keepends=True)
    notes = f"{text}\n\n" if (text := about_of(content).notes) else ""
    while lines and sum(map(len, lines)) > NOTE - len(command) - len(notes):
        lines = lines[: len(lines) * 3 // 4]
    more = f"\n{table.count(chr(10)) - len(lines)} more rows in table.md\n" if "".join(lines) != table else ""
    return f"{notes}    {command}\n\n{''.join(lines)}{more}"


def _counted(jobs: Sequence[RecordedJob]) -> str:
    """`30 finished, 2 diverged`."""
    statuses = [job.status for job in jobs]
    return ", ".join(f"{statuses.count(status)} {status}" for status in dict.fromkeys(statuses))


def _log_best(folder: Path, settings: Settings, store: MlflowStore) -> None:
    """Log figures and model of the best job, as for a single run."""
    state = read_state(folder)
    metrics = {name: float(value) for name, value in state.get("metrics", {}).items()}
    known = store.find(state.get("key", "")) or state.get("mlflow_run_id")
    tracked = MlflowRun(store.client, known, store.allowance) if known else None  # the run stays ended
    data, scale = prepare(settings).measured
    trained, note = replace(load(folder), scale=scale), state.get("command") or folder.name
    artifacts.log_artifacts(folder, tracked, trained, data, metrics, note, settings.figures)
