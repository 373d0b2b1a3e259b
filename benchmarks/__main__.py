"""`python -m benchmarks [workload ...]`: run workloads, print the tables and save them in `runs/bench/`."""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import os
import platform
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.harness import pins, race, summary

RECURRENT = ("rnn_step", "gru_step", "lstm_step", "lstm_medium_step")
SWEEPS = ("sweep_step", "sweep_cnn_step", "sweep_command", "bias_variance")
WORKLOADS = (
    "mlp_step",
    "mlp_large_step",
    "cnn_step",
    "digits_cnn_step",
    *RECURRENT,
    *SWEEPS,
    "optimizer_update",
    "recording",
    "probes",
)


def main() -> None:
    """Run all requested workloads."""
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("workloads", nargs="*", default=WORKLOADS, help=", ".join(WORKLOADS))
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--seconds", type=float, default=2.0, help="per implementation and round")
    parser.add_argument("--pinned", action="store_true", help="keep OpenBLAS pinned, if this machine pins it")
    options = parser.parse_args()
    for name in options.workloads:
        if name not in WORKLOADS:
            parser.error(f"unknown workload '{name}' (there are: {', '.join(WORKLOADS)})")
    for name in options.workloads:
        report(name, options.rounds, options.seconds, options.pinned)


def report(name: str, rounds: int, seconds: float, pinned: bool = False) -> None:
    """Run a workload; print and save its tables."""
    workload: Any = importlib.import_module(f"benchmarks.{name}")
    if hasattr(workload, "measure"):
        for title, head, cells, notes, conditions in workload.measure(rounds):
            keep(title, head, cells, notes, f"{conditions}, {versions()}")
        return
    notes = [" ".join(workload.__doc__.split())]
    if hasattr(workload, "verify"):
        try:
            notes.append(workload.verify())
        except ImportError as error:
            notes.append(f"gradients not verified: {error}")
    for title, contestants in getattr(workload, "TABLES", {name: getattr(workload, "CONTESTANTS", {})}).items():
        compare(workload, title, contestants, notes, rounds, seconds, pinned)


def compare(
    workload: Any, name: str, contestants: Mapping[str, str], notes: list[str], rounds: int, seconds: float, pinned: bool
) -> None:
    """Measure and report one table."""
    times, absent = race(contestants, workload.THREADS, rounds, seconds, pinned)
    if not times:
        raise SystemExit("\n".join(f"{label} is absent: {why}" for label, why in absent.items()))
    notes = [*notes, *(f"{label} is absent: {why}" for label, why in absent.items())]
    reference = workload.REFERENCE if workload.REFERENCE in times else next(iter(times))
    rows = summary(times, reference)
    conditions = f"{rounds} rounds of {seconds} s, threads each: {workload.THREADS}, {versions()}{pinning(pinned)}"
    folder = Path("runs/bench")
    folder.mkdir(parents=True, exist_ok=True)
    kept = {"times": times, "summary": rows, "reference": reference, "absent": absent, "notes": notes}
    (folder / f"{name}.json").write_text(json.dumps({**kept, "conditions": conditions}, indent=1), encoding="utf-8")
    head, cells = table(rows, reference)
    keep(name, head, cells, notes, conditions)


def keep(name: str, head: list[str], cells: list[list[str]], notes: list[str], conditions: str) -> None:
    """Save the table as a page, and print it."""
    folder = Path("runs/bench")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.md").write_text(markdown(name, head, cells, notes, conditions), encoding="utf-8")
    show(name, head, cells, notes, conditions)


def table(rows: list[dict[str, Any]], reference: str) -> tuple[list[str], list[list[str]]]:
    """The header and the cells of a table."""
    cells = []
    for row in rows:
        us = [f"{1e6 * row[key]:.0f}" for key in ("median", "low", "high")]
        cells.append([row["contestant"], us[0], f"{us[1]}-{us[2]}", f"{row['ratio']:.2f}"])
    return ["implementation", "us per step", "10-90 %", f"time / {reference}"], cells


def markdown(name: str, head: list[str], cells: list[list[str]], notes: list[str], conditions: str) -> str:
    """The table as Markdown."""
    lines = [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *cells)]
    return "\n".join([f"### {name}", "", *(f"{note}\n" for note in notes), *lines, "", conditions, ""])


def show(name: str, head: list[str], cells: list[list[str]], notes: list[str], conditions: str) -> None:
    """Print the table."""
    shown = Table(title=name, title_justify="left", caption=conditions, caption_justify="left")
    for i, column in enumerate(head):
        shown.add_column(column, justify="right" if i else "left")
    for row in cells:
        shown.add_row(*row)
    console = Console(highlight=False)
    for note in notes:
        console.print(note, markup=False)
    console.print(shown)


def pinning(pinned: bool) -> str:
    """Whether OpenBLAS was pinned; this can change the result by a fifth."""
    found = ", ".join(f"{name}={value}" for name, value in pins().items())
    return f"; {found} {'in force' if pinned else 'lifted'}" if found else ""


def versions() -> str:
    """The versions of packages and the machine."""
    found = []
    for package in ("numpy", "torch", "jax"):
        try:
            found.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return f"{', '.join(found)}, Python {platform.python_version()}, {os.cpu_count()} cores, {date.today()}"


if __name__ == "__main__":
    main()
