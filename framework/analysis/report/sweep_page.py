"""The content of a sweep's report: table, figure, common settings, and the end of every job."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from framework.analysis.comparison import RecordedJob, read_jobs, swept
from framework.analysis.report.files import Picture, pictures, texts
from framework.analysis.report.run_page import ENDS, config, number, status
from framework.config.diff import differences
from framework.core.reading import is_regular, read_text
from framework.tracking.locks import current_state
from framework.tracking.run_dir import read_sweep

COLUMNS = 5  # metrics shown for each job


def facts(folder: Path) -> dict[str, Any]:
    """The values that `page.html` shows for a sweep."""
    jobs = read_jobs(folder)
    keys, first = swept(jobs), config(folder / jobs[0].name)
    states = [current_state(folder / job.name) for job in jobs]
    shown = metrics(states)
    counts = Counter(status(state) for state in states)
    shared = [row for row in differences(first) if row[0] not in keys and row[0].removesuffix(".type") not in keys]
    return {
        "kind": "sweep",
        "title": folder.name,
        "status": ", ".join(f"{count} {name}" for name, count in counts.items()),
        "look": "good" if all(ENDS.get(job.status) == "good" for job in jobs) else "bad",
        "command": command(folder),
        "about": [("Jobs", str(planned(folder, jobs))), ("Varied", ", ".join(keys) or "nothing")],
        "rows": table(folder),
        "pictures": pictures(folder),
        "texts": [text for text in texts(folder) if text[0] != "table"],
        "keys": keys,
        "metrics": shown,
        "jobs": [job_row(state, job, keys, shown) for state, job in zip(states, jobs, strict=True)],
        "looked_at": [(job.name, found) for job in jobs if (found := job_pictures(folder / job.name))],
        "differences": shared,
        "config": yaml.safe_dump(first, sort_keys=False, allow_unicode=True),
    }


def command(folder: Path) -> str:
    """The command that repeats the sweep."""
    manifest = read_sweep(folder)
    return shlex.join(["stackprop", *manifest["command"]]) if manifest.get("command") else ""


def planned(folder: Path, jobs: Sequence[RecordedJob]) -> str:
    """`30`, or `12 of 30 started`."""
    known = len(read_sweep(folder).get("jobs", {})) or len(jobs)
    return f"{known}" if known == len(jobs) else f"{len(jobs)} of {known} started"


def table(folder: Path) -> list[list[list[tuple[str, str]]]]:
    """The rows of `table.md`, the header first; a cell is pieces of text, each with the job that it links to, if any."""
    path = folder / "table.md"
    if not is_regular(path) or path.is_symlink():
        return []
    lines = read_text(path).splitlines()
    rows = [line.strip().removeprefix("|").removesuffix("|").split(" | ") for line in lines]
    cells = [[[(cell.strip(), "")] for cell in row] for row in rows if not set("".join(row)) <= set("-| ")]
    for row in cells[1:]:
        row[-1] = [(piece, _first(piece)) for piece in row[-1][0][0].split(", ")]
    return cells


def _first(piece: str) -> str:
    """The first job of `10-14`."""
    found = re.match(r"\d+", piece)
    return found[0] if found else ""


def metrics(states: Sequence[Mapping[str, Any]]) -> list[str]:
    """The most relevant metrics: of validation and test splits, otherwise of training."""
    found = dict.fromkeys(name for state in states for name in state.get("metrics", {}))
    chosen = [name for name in found if name.startswith(("val/", "test/"))] or list(found)
    return chosen[:COLUMNS]


def job_row(state: Mapping[str, Any], job: RecordedJob, keys: Sequence[str], shown: Sequence[str]) -> dict[str, Any]:
    """A row of the table of jobs."""
    values = state.get("metrics", {})
    return {
        "name": job.name,
        "keys": [job.overrides.get(key, "") for key in keys],
        "status": status(state),
        "look": ENDS.get(job.status, "bad"),
        "reason": str(state.get("reason") or ""),
        "metrics": [number(float(values[name])) if name in values else "" for name in shown],
    }


def job_pictures(folder: Path) -> list[Picture]:
    """The figures of a job, if it has any; the best job of a sweep does."""
    return pictures(folder) if (folder / "figures").is_dir() else []
