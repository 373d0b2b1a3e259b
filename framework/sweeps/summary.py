"""The summary run of a sweep in the tracking store: means and spread over seeds, table, figure, and the best job."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from framework.analysis import importance
from framework.analysis.comparison import SeedGroup, read_jobs, spread, swept
from framework.analysis.sweep_table import tabled
from framework.config.schema import Settings
from framework.core.errors import ConfigError
from framework.core.reading import read_text
from framework.core.repeats import name_of_repeats
from framework.core.trust import knows_store
from framework.experiments import pages
from framework.experiments.loading import settings_of_run, tracking_of_run
from framework.experiments.resending import log_again
from framework.experiments.sync import Stores, sync_to_mlflow
from framework.tracking.allowance import patiently
from framework.tracking.edits import LONGEST, METRICS, notes_section
from framework.tracking.folders import SWEEP
from framework.tracking.mlflow import KEY, MlflowRun, MlflowStore, get_store, new_key
from framework.tracking.naming import about_of
from framework.tracking.owner import is_alive, this_process
from framework.tracking.run_dir import jobs_of, read_state, read_sweep, tree_of_run, update_sweep
from framework.tracking.store_errors import store_fault

COMPARISON, ROOM = "comparison.png", 60  # ROOM: characters for the line about rows that do not fit
GROUPS = 100  # maximum rows of the table that become params


@dataclass(frozen=True)
class Summary:
    """What the run of a sweep shows: small, as it may be sent to the process that writes the store.

    Attributes:
        jobs: the folders of the jobs, in the order of the table.
        statuses: theirs.
        rows: the settings of the first rows of the table.
        points: metric -> its values, the last row first.
        result: how many jobs ended how, and the best setting.
    """

    jobs: tuple[str, ...]
    statuses: tuple[str, ...]
    rows: tuple[str, ...]
    points: Mapping[str, Sequence[float]]
    result: str

    @property
    def counted(self) -> str:
        """`30 finished, 2 diverged`."""
        return ", ".join(f"{self.statuses.count(status)} {status}" for status in dict.fromkeys(self.statuses))


def summary_of(sweep: Path, groups: Sequence[SeedGroup], shown: Mapping[str, str]) -> Summary:
    """The summary of a sweep.

    Args:
        groups: the rows of the table, in its order.
        shown: metric -> the value to show: last, first, best ...
    """
    jobs = [job for group in groups for job in group.jobs]
    names, statuses = tuple(job.name for job in jobs), tuple(job.status for job in jobs)
    rows = tuple(" ".join(f"{key}={value}" for key, value in group.keys.items()) for group in groups[:GROUPS])
    found = Summary(names, statuses, rows, series(groups, shown), "")
    return replace(found, result=_result(read_sweep(sweep), groups, found.counted))


def send(sweep: Path, runs: Path, summary: Summary) -> str:
    """Send what the store lacks of the jobs, and then the summary; returns why that was not possible, or nothing.

    The store may have been down in between: then it is asked once more for all jobs, not once for each.
    """
    jobs = [sweep / name for name in summary.jobs]
    unsent = [folder for folder in jobs if read_state(folder).get("tracked") is False]
    try:
        if tracking_of_run(jobs[0]).type != "mlflow":
            return ""
        _, refused = sync_to_mlflow(runs, unsent) if unsent else ([], [])
        if refused:
            update_sweep(sweep, {"tracked": False, "sender": None})
            return f"{len(refused)} of {len(jobs)} jobs are not in the tracking store ({refused[0][1]})"
        record(sweep, runs, summary)
    except Exception as error:  # a store may raise anything
        update_sweep(sweep, {"tracked": False, "sender": None})
        return f"its summary is not in the tracking store ({store_fault(error)})"
    return ""


def announce(sweep: Path) -> None:
    """Note that this process is about to send the summary. If it is killed before, `stackprop doctor` does it."""
    _note_sender(sweep, this_process())


def leave(sweep: Path) -> str:
    """Leave the summary to `stackprop doctor`; returns what does the rest."""
    rest = ", `stackprop doctor` sends its summary to the store" if _note_sender(sweep, None) else ""
    return f"`stackprop compare {sweep.name}` draws its figure{rest}"


def _note_sender(sweep: Path, process: Mapping[str, Any] | None) -> bool:
    """Note that the store lacks the summary, and who sends it; returns whether there is a store."""
    with suppress(ConfigError, OSError):  # on a full disk, the table is shown all the same
        if tracking_of_run(jobs_of(sweep)[0]).type == "mlflow":
            update_sweep(sweep, {"tracked": False, "sender": process})
            return True
    return False


def send_later(runs: Path, sweeps: Iterable[Path], stores: Stores) -> Iterator[tuple[Path, str]]:
    """Send the summaries that the stores lack: each sweep, and why it could not be sent, or nothing."""
    for sweep in sweeps:
        content = read_sweep(sweep)
        if (content.get("tracked") is None and not content.get("summary")) or _is_sent_now(sweep, content):
            continue  # it has not ended yet, or is not in a store
        try:
            first = next(filter(read_state, jobs_of(sweep)), None)
            tracking = tracking_of_run(first) if first else None
            if tracking is None or tracking.type != "mlflow" or not knows_store(tracking.uri):
                continue  # a line for each of its runs says so
            if content.get("summary") not in (known := stores.of(tracking).by_id):
                if content.get("summary") or _best_id(sweep, content) not in known:
                    update_sweep(sweep, {"best_logged": None})
            elif content.get("tracked") is not False:
                continue
            if jobs := read_jobs(sweep):
                _, _, groups, shown, _ = tabled(sweep, {}, jobs)
                with patiently():
                    record(sweep, runs, summary_of(sweep, groups, shown))
                yield sweep, ""
        except Exception as error:  # a store may raise anything; the others continue
            yield sweep, store_fault(error)


def record(sweep: Path, runs: Path, summary: Summary) -> None:
    """Write the summary of a sweep, updating the same run if the sweep was resumed.

    Raises:
        Exception: an error of the store.
    """
    content = read_sweep(sweep)
    best = (content.get("best") or {}).get("job")
    settings = settings_of_run(sweep / (best or _readable(sweep, summary.jobs)))
    if settings.tracking.type != "mlflow":
        return
    update_sweep(sweep, {"tracked": False})  # until the store has all of it
    store = get_store(settings.tracking, runs)
    run = _summary_run(store, sweep, summary, content)
    for name, points in summary.points.items():
        run.points([(name, value, place, 0) for place, value in enumerate(points) if math.isfinite(value)])
    drawn = [name for name in (COMPARISON, "search.png", importance.FIGURE) if (sweep / name).exists()]
    for path in (*(sweep / name for name in drawn), sweep / "table.md", sweep / SWEEP):
        if path.exists():
            run.artifact(path)
    run.tag("mlflow.note.content", page(sweep, content, summary.result, pages.pictures(run.run_id, drawn)))
    run.tag("stackprop.status", summary.counted)
    if best:
        run.tag("sweep.best", str(read_state(sweep / best).get("mlflow_run_id")))
    run.end("FINISHED" if {*summary.statuses} <= {"finished", "stopped_early", "pruned"} else "FAILED")
    _log_best(sweep, content, settings, store)
    update_sweep(sweep, {"summary": run.run_id, "tracked": not run.lost, "sender": None})


def _is_sent_now(sweep: Path, content: Mapping[str, Any]) -> bool:
    """Whether another process is about to send the summary."""
    sender = content.get("sender")
    with suppress(OSError):  # deleted meanwhile
        return isinstance(sender, Mapping) and is_alive(sender, time.time() - (sweep / SWEEP).stat().st_mtime)
    return False


def log_best(sweep: Path, runs: Path) -> None:
    """Log figures and model of the best job, while the figure of the sweep is drawn. If that fails, `record` does it."""
    content = read_sweep(sweep)
    folder = sweep / content["best"]["job"]
    settings = settings_of_run(folder)
    if settings.tracking.type == "mlflow" and (store := get_store(settings.tracking, runs)).find(read_state(folder)["key"]):
        _log_best(sweep, content, settings, store)


def _log_best(sweep: Path, content: Mapping[str, Any], settings: Settings, store: MlflowStore) -> None:
    best = (content.get("best") or {}).get("job")
    if best and content.get("best_logged") != best and settings.study is None:  # a study has logged its own files
        best = best if log_again(sweep / best, settings, store) else None
    update_sweep(sweep, {"best_logged": best})


def _best_id(sweep: Path, content: Mapping[str, Any]) -> str | None:
    """The run of the job whose figures and model were logged."""
    logged = content.get("best_logged")
    return read_state(sweep / logged).get("mlflow_run_id") if logged else None


def _readable(sweep: Path, jobs: Sequence[str]) -> str:
    """The first job whose configuration can be read."""
    for name in jobs:
        with suppress(ConfigError):
            tree_of_run(sweep / name)
            return name
    return jobs[0]


def series(groups: Sequence[SeedGroup], shown: Mapping[str, str]) -> dict[str, list[float]]:
    """`mean/val/loss` and `std/val/loss` ..., a value for each row of the table, the last row first: a store shows the
    newest point of a series as its value, which must be that of the best row."""
    found = {}
    for metric, at in shown.items():
        values = [group.values(metric, at) for group in reversed(groups)]
        found[f"mean/{metric}"] = [float(v.mean()) if len(v) else math.nan for v in values]
        found[f"std/{metric}"] = [spread(v) if len(v) > 1 else math.nan for v in values]
    return found


def _summary_run(store: MlflowStore, sweep: Path, summary: Summary, content: Mapping[str, Any]) -> MlflowRun:
    """The summary run of a sweep: that of its key, or an older one without a key."""
    if "key" not in content:
        update_sweep(sweep, content := {**content, "key": new_key()})
    known = store.find(content["key"]) or content.get("summary")
    params = {f"row.{i}": row for i, row in enumerate(summary.rows)}
    about = about_of(content)
    tags = {"kind": "sweep", "sweep": sweep.name, "stackprop.folder": str(sweep.resolve()), KEY: content["key"]}
    tags = {**about.tags, **tags}
    with suppress(Exception):  # it may not be in the store any more
        if known:
            return store.reopen(known, params, tags)
    return store.begin(about.name or sweep.name, params, tags)


def page(sweep: Path, content: Mapping[str, Any], result: str, figures: str) -> str:
    """The page of the run: result, command, notes, table, and figures."""
    command = " ".join(["stackprop", *map(str, content.get("command", []))])
    table = read_text(sweep / "table.md") if (sweep / "table.md").exists() else ""
    lines = table.splitlines(keepends=True)
    parts = [result, f"    {command}\n\n", notes_section(about_of(content).notes), f"{METRICS}\n\n"]
    while lines and sum(map(len, lines)) > LONGEST - len("".join(parts)) - len(figures) - ROOM:
        lines = lines[: len(lines) * 3 // 4]
    more = f"\n{table.count(chr(10)) - len(lines)} more rows in table.md\n" if "".join(lines) != table else ""
    return pages.fitted([*parts, f"{''.join(lines)}{more}\n", figures])


def _result(content: Mapping[str, Any], groups: Sequence[SeedGroup], counted: str) -> str:
    """How many jobs ended how, and the best setting with its spread."""
    jobs, best = [job for group in groups for job in group.jobs], content.get("best") or {}
    text = f"{pages.counted(len(jobs), 'job')}: {counted}."
    group = next((group for group in groups if any(job.name == best.get("job") for job in group.jobs)), None)
    if group is None:
        return f"**{text} There is no best setting: none has finished with a value in every job.**\n\n"
    named = " ".join(f"{key}={value}" for key, value in group.keys.items()) or "all jobs"
    many, kind = len(group.jobs), name_of_repeats(swept(group.jobs))
    over = f" ± {best['std']:.2g} over {many} {kind}; the best of them is job {best['job']}" if many > 1 else ""
    value = best["mean"] if many > 1 else best["value"]
    return f"**{text} Best: {named}: {best['metric']} {value:.4g}{over}.**\n\n"
