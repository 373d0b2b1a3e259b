"""`stackprop list [FILTER ...]`: recorded runs and sweeps, the newest first.

A filter is `status=finished`, `model=mlp`, `optimizer.lr<0.05`, `val/loss<0.3`, `name=wide*`, `tags.paper=fig3`,
`sweep=last` or `started>2026-11-20`; a run must meet all of them.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
import math
import sys
from collections.abc import Sequence
from typing import Any

from framework.analysis.listing import SweepRow, selected
from framework.analysis.listing.rows import Row, best_of, main_metrics, when
from framework.core.errors import ConfigError
from framework.core.spreadsheet import spreadsheet_safe
from framework.sweeps.executors.submitted import not_started
from framework.tracking.folders import walk
from framework.tracking.naming import ORIGINS, printable
from framework.tracking.run_dir import all_sweeps, runs_dir

SHOWN = 20  # rows on the screen
WIDTH = 140  # characters of a line that is not for a terminal


def main(arguments: Sequence[str]) -> int:
    """Print a table, JSON or CSV."""
    parser = argparse.ArgumentParser("stackprop list", description=__doc__)
    parser.add_argument("filters", nargs="*", metavar="FILTER", help="KEY=VALUE, with * a pattern; also != < <= > >=")
    parser.add_argument("--sort", metavar="KEY", help="a metric: the best first; or any other key")
    parser.add_argument("--best", metavar="METRIC", help="the best runs by a metric, each job of a sweep as a run")
    parser.add_argument("--limit", type=int, metavar="N", help=f"rows; by default {SHOWN} on the screen, 0 for all")
    parser.add_argument("--all", action="store_true", help="a row for each job of a sweep")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="all about each row")
    form.add_argument("--csv", action="store_true", help="the same as a table")
    given = parser.parse_intermixed_args(list(arguments))
    if given.best and given.sort:
        raise ConfigError(f"list: --best {given.best} sorts already; leave --sort out")
    if given.limit is not None and given.limit < 0:
        raise ConfigError(f"--limit: {given.limit} must be at least 0; 0 shows all")
    key, plain = given.best or given.sort or "started", given.json or given.csv
    rows = selected(given.filters, sort=key, unfolded=given.all or bool(given.best) or None)
    limit = given.limit if given.limit is not None else 0 if plain else SHOWN
    shown = rows[:limit] if limit else rows
    if given.json:
        print(json.dumps([record(row) for row in shown], indent=2))
    elif given.csv:
        write_csv([record(row) for row in shown])
    elif not rows:
        print(nothing(given.filters))
    else:
        show(shown, None if key == "started" else key)
        if len(shown) < len(rows):
            print(f"{len(rows) - len(shown)} more; --limit 0 shows all")
    if not (given.json or given.csv or given.filters):
        for line in not_started(all_sweeps(runs_dir())):
            print(line)
    return 0


def nothing(filters: Sequence[str]) -> str:
    """What is said where there is nothing to list."""
    runs = runs_dir()
    if not filters or not walk(runs).runs:
        return f"there are no runs in {runs}; STACKPROP_RUNS=FOLDER selects another folder"
    return f"no run in {runs} has {' '.join(filters)}"


def show(rows: Sequence[Row], key: str | None) -> None:
    """Print a table."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
    metrics = main_metrics(rows, key)
    others = [key] if key and key not in (*metrics, "name", "status") else []
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("name", no_wrap=True)
    table.add_column("started", no_wrap=True)
    table.add_column("status", no_wrap=True)
    table.add_column("what", overflow="ellipsis")
    for name in (*others, *metrics):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        best = best_of(row, key if key in metrics else None)
        values = [f"{best.metrics[name]:.4g}" if name in best.metrics else "" for name in metrics]
        texts = [row.name, when(row.started), row.status, row.what, *(text(row, each) for each in others), *values]
        cells = [Text(printable(each), no_wrap=True, overflow="ellipsis") for each in texts]
        table.add_row(*cells)
    console.print(table)


def text(row: Row, key: str) -> str:
    """The value of a row as it is printed."""
    found = row.runs[0].value(key)
    return f"{found:.4g}" if isinstance(found, float) else "" if type(found) is object else str(found)


def record(row: Row) -> dict[str, Any]:
    """All about a row, as plain values."""
    best, sweep = best_of(row), isinstance(row, SweepRow)
    started = datetime.datetime.fromtimestamp(row.started).astimezone().isoformat(timespec="seconds")
    seconds = best.value("seconds")
    return {
        "kind": "sweep" if sweep else "job" if best.sweep else "run",
        "name": row.name,
        "started": started,
        "status": row.status,
        "reason": (best.state.get("reason") or None) if not sweep else None,
        "folder": str(row.folder),
        "id": None if sweep else best.state.get("mlflow_run_id"),
        "sweep": str(best.sweep) if best.sweep and not sweep else None,
        **{origin: best.state.get("tags", {}).get(origin) if not sweep else None for origin in ORIGINS},
        "jobs": len(row.runs) if sweep else None,
        "best": best.folder.name if sweep else None,
        "seconds": round(seconds, 3) if isinstance(seconds, float) and not sweep else None,
        "overrides": row.swept if isinstance(row, SweepRow) else best.overrides,
        "metrics": {name: value if math.isfinite(value) else None for name, value in best.metrics.items()},
        "tags": dict(row.about.tags),
        "notes": row.about.notes,
    }


def write_csv(records: Sequence[dict[str, Any]]) -> None:
    """Write records as CSV: a column for each override, metric and tag."""
    flat = []
    for each in records:
        line = {key: value for key, value in each.items() if not isinstance(value, dict)}
        for part, front in (("overrides", ""), ("metrics", ""), ("tags", "tags.")):
            line |= {f"{front}{key}": " ".join(v) if isinstance(v, list) else v for key, v in each[part].items()}
        flat.append(line)
    columns = list(dict.fromkeys(key for line in flat for key in line))
    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow(spreadsheet_safe(printable(column)) for column in columns)
    rows.writerows(
        [spreadsheet_safe("" if line.get(c) is None else printable(str(line[c]))) for c in columns] for line in flat
    )
