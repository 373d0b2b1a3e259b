"""Runs the commands of the pages on claims, and compares the tables of the pages with what they measure now:

python -m docs._tools.claims                              (or: make claims)
python -m docs._tools.claims dead_relu                    (or: make claims ONLY=dead_relu)
python -m docs._tools.claims dead_relu --with 'seed=range(100,110)' dtype=float64
python -m docs._tools.claims dead_relu --to FOLDER        keep the runs; commands that already ran there are not repeated
python -m docs._tools.claims dead_relu --write            write the numbers into the page

`claims.yaml` says which metric of which jobs each cell of a table holds. A number agrees if it is within three standard
errors of the difference, or one unit of its last digit. The exit status is 1 if a number differs.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from docs._tools.claims_table import Estimate, agree, measured, parsed, tables, with_cells
from framework.analysis.comparison import RecordedJob, SeedGroup, format_value, grouped, ranked, read_jobs
from framework.analysis.sweep_table import figure_options, reductions, table_metrics
from framework.core.reading import read_yaml

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "lecture-notes" / "claims"
CELLS = Path(__file__).with_name("claims.yaml")
OF_CELL = ("metric", "at", "step", "reach", "over", "command", "best", "error")  # the other keys of a cell are swept keys


@dataclass(frozen=True)
class Section:
    """A section of a page.

    Attributes:
        name: the experiment of its first command, or the heading.
        tables: what the cells of each table hold, as in `claims.yaml`.
        words: the same for numbers in its text.
    """

    page: Path
    name: str
    text: str
    tables: Sequence[Mapping[str, Any] | None]
    words: Sequence[Mapping[str, Any]]

    @property
    def commands(self) -> list[str]:
        """Its commands, in order."""
        return re.findall(r"^ {4}(stackprop .*)$", self.text, re.M)


class Sweep(NamedTuple):
    """A recorded sweep: its groups, and metric -> the value that its table shows."""

    groups: Sequence[SeedGroup]
    shown: Mapping[str, str]


class Line(NamedTuple):
    """A line of the report."""

    where: str
    page: str
    now: str
    verdict: str


def sections(pages: Path = PAGES, known: Path = CELLS) -> Iterator[Section]:
    """The sections of all pages that `claims.yaml` knows."""
    cells = read_yaml(known)
    for page in sorted(pages.glob("*.md")):
        for text in re.split(r"^(?=## )", page.read_text(), flags=re.M)[1:]:
            heading = text.partition("\n")[0].removeprefix("## ")
            named = re.search(r"^ {4}stackprop .*experiment=(\w+)", text, re.M)
            name = named[1] if named else next((name for name in cells if heading.startswith(name)), heading)
            found = cells.get(name)
            if found is not None:
                yield Section(page, name, text, found.get("tables", []), found.get("text", []))


def run(section: Section, number: int, folder: Path, changes: Sequence[str]) -> Sweep:
    """Run a command of a section, and read its sweep.

    Raises:
        RuntimeError: the command failed.
    """
    folder = folder / f"{section.name.replace(' ', '_')}-{number}"
    if not list(folder.glob("sweep-*/table.md")):
        words = [*shlex.split(section.commands[number])[1:], "tracking=none", *changes]
        env = os.environ | {"STACKPROP_RUNS": str(folder)}
        done = subprocess.run([sys.executable, "-m", "framework.cli", *words], env=env, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{section.name}: {section.commands[number]}\n{done.stdout[-500:]}{done.stderr[-2000:]}")
    return read(max(folder.glob("sweep-*")))


def read(folder: Path) -> Sweep:
    """A sweep of a folder, with the metrics of its table."""
    jobs = read_jobs(folder)
    what = figure_options(folder, jobs, {})
    shown = dict(reductions(what, table_metrics(what, jobs), jobs))
    return Sweep(grouped(jobs), shown | dict.fromkeys(f"steps to {name}" for name in what.reach or ()))


def values(sweep: Sweep, cell: Mapping[str, Any]) -> np.ndarray:
    """One value per seed of what a cell holds; empty if no job has the keys of the cell."""
    wanted = {key: plain(value) for key, value in cell.items() if key not in OF_CELL}
    fits = [g for g in sweep.groups if all(key in g.keys and plain(g.keys[key]) == value for key, value in wanted.items())]
    metric, at = cell["metric"], cell.get("at", sweep.shown.get(cell["metric"], "kept"))
    if cell.get("best"):
        fits = ranked(fits, metric, at)[:1]
    if len(fits) != 1:
        raise KeyError(f"{len(fits)} rows of the sweep have {wanted}")
    if "reach" in cell:
        return fits[0].reached(metric, cell["reach"])
    if "step" in cell:
        return np.array([at_step(job, metric, cell["step"]) for job in fits[0].jobs])
    return fits[0].values(metric, at)


def at_step(job: RecordedJob, metric: str, step: int | Sequence[int]) -> float:
    """The value of a series at the recorded step (or lag) nearest to one; of a pair, the first divided by the second."""
    steps, found = job.series[metric].T
    first, *rest = (float(found[abs(steps - one).argmin()]) for one in ([step] if isinstance(step, int) else step))
    return first / rest[0] if rest else first


def plain(value: Any) -> str:
    """A swept value without differences of writing: 0.01 and 1e-2 are equal."""
    text = format_value("null" if value is None else str(value))
    if text in ("True", "False"):
        return text.lower()
    try:
        return repr(float(text))
    except ValueError:
        return text


def spec(
    table: Mapping[str, Any], header: Sequence[str], row: Sequence[str], number: int
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Column -> what its cell holds, of one row of a table of a page."""
    given = table["rows"][number] if isinstance(table["rows"], list) else {}
    if given is None:
        return
    keys = {} if isinstance(table["rows"], list) else {key: row[column] for key, column in table["rows"].items()}
    shared = {key: value for key, value in table.items() if key not in ("rows", "columns")}
    first = len(header) - len(table["columns"])
    for i, column in enumerate(table["columns"], first):
        if column is None:
            continue
        cell = {**shared, **keys, **given, **({"metric": column} if isinstance(column, str) else column)}
        if "over" in cell:
            cell[cell["over"]] = cell.get("value", header[i])
        yield i, {key: value for key, value in cell.items() if key != "value"}


def check(section: Section, folder: Path, changes: Sequence[str]) -> Iterator[tuple[Line, int, int, int, Estimate]]:
    """For each number of a section: a line of the report, table, row, column and what is measured now."""
    sweeps: dict[int, Sweep] = {}

    def now(cell: Mapping[str, Any]) -> tuple[Sweep, Estimate]:
        number = cell.get("command", 0)
        sweeps[number] = sweeps.get(number) or run(section, number, folder, changes)
        found = measured(values(sweeps[number], cell))
        if "error" in cell:
            found = replace(found, standard_error=float(values(sweeps[number], {**cell, "metric": cell["error"]})[0]))
        return sweeps[number], found

    for t, (table, known) in enumerate(zip(tables(section.text), section.tables, strict=True)):
        for r, row in enumerate(table.rows if known else ()):
            for c, cell in spec(known or {}, table.header, row, r):
                page = parsed(row[c])
                if page is not None:
                    sweep, found = now(cell)
                    where = f"{row[0]} | {table.header[c]}"
                    yield Line(where, row[c], str(found), verdict(page, found, sweep, cell)), t, r, c, found
    for cell in section.words:
        page = parsed(cell["say"])
        if " ".join(cell["say"].split()) not in " ".join(section.text.split()) or page is None:
            raise KeyError(f"{section.name}: the section does not say '{cell['say']}'")
        sweep, found = now({key: value for key, value in cell.items() if key != "say"})
        yield Line("text", cell["say"], str(found), verdict(page, found, sweep, cell)), -1, 0, 0, found


def verdict(page: Estimate, now: Estimate, sweep: Sweep, cell: Mapping[str, Any]) -> str:
    """agrees, differs, or not in the command's table or figure."""
    metric = cell["metric"]
    shown = f"steps to {metric}" in sweep.shown if "reach" in cell else "step" in cell or metric in sweep.shown
    return "not in the command's table" if not shown else "agrees" if agree(page, now) else "differs"


def written(section: Section, found: Sequence[tuple[Line, int, int, int, Estimate]]) -> str:
    """The section with the measured numbers in its tables."""
    new: dict[tuple[int, int], dict[int, Estimate]] = {}
    for _, t, r, c, estimate in found:
        if t >= 0 and estimate.mean is not None:
            new.setdefault((t, r), {})[c] = estimate
    text = section.text
    for t, table in enumerate(tables(section.text)):
        spread = any("±" in cell for row in table.rows for cell in row)
        for r, row in enumerate(table.rows):
            if (t, r) in new:
                text = text.replace(f"| {' | '.join(row)} |", with_cells(row, new[t, r], spread), 1)
    return text


def main(only: Sequence[str], changes: Sequence[str], folder: Path, write: bool, every: bool) -> int:
    """Print the report; the number of values that differ, a section that cannot be compared counted as one."""
    count = 0
    for section in sections():
        if only and not any(section.name.startswith(word) for word in only):
            continue
        start = time.monotonic()
        try:
            found = list(check(section, folder, changes))
        except (KeyError, RuntimeError) as error:
            print(f"{section.name}: not compared: {error.args[0]}", flush=True)
            count += 1
            continue
        lines = [line for line, *_ in found]
        differ = [line for line in lines if line.verdict != "agrees"]
        count += len(differ)
        print(f"{section.name}: {len(lines)} numbers, {len(differ)} differ, {time.monotonic() - start:.0f} s", flush=True)
        for line in lines if every else differ:
            print(f"    {line.where}: page {line.page}, now {line.now}: {line.verdict}")
        if write:
            section.page.write_text(section.page.read_text().replace(section.text, written(section, found)))
    return count


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("only", nargs="*", help="experiments; none: all")
    parser.add_argument("--with", nargs="+", default=[], dest="changes", help="overrides for every command")
    parser.add_argument("--to", type=Path, help="a folder for the runs; default: a temporary one")
    parser.add_argument("--write", action="store_true", help="write what is measured into the tables of the pages")
    parser.add_argument("--all", action="store_true", help="print all numbers, not only those that differ")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        sys.exit(bool(main(given.only, given.changes, given.to or Path(temporary), given.write, given.all)))
