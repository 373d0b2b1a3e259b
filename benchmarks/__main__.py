"""`python -m benchmarks [workload ...]`: run, print, and keep the tables in `runs/bench/`."""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import os
import platform
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.harness import race, summary

WORKLOADS = ("mlp_step", "recording")


def main() -> None:
    """Every workload asked for."""
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("workloads", nargs="*", default=WORKLOADS, help=", ".join(WORKLOADS))
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--seconds", type=float, default=0.4, help="per contestant and round")
    options = parser.parse_args()
    for name in options.workloads:
        if name not in WORKLOADS:
            parser.error(f"no workload '{name}' (there are: {', '.join(WORKLOADS)})")
    for name in options.workloads:
        report(name, options.rounds, options.seconds)


def report(name: str, rounds: int, seconds: float) -> None:
    """Run a workload; print its table and keep it."""
    workload: Any = importlib.import_module(f"benchmarks.{name}")
    notes = [" ".join(workload.__doc__.split())]
    if hasattr(workload, "verify"):
        try:
            notes.append(workload.verify())
        except ImportError as error:
            notes.append(f"gradients not verified: {error}")
    times, absent = race(workload.CONTESTANTS, workload.THREADS, rounds, seconds)
    notes += [f"{label} is absent: {why}" for label, why in absent.items()]
    reference = workload.REFERENCE if workload.REFERENCE in times else next(iter(times))
    text = markdown(name, summary(times, reference), reference, notes, rounds)
    folder = Path("runs/bench")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.md").write_text(text, encoding="utf-8")
    (folder / f"{name}.json").write_text(json.dumps({"times": times, "absent": absent, "notes": notes}, indent=1))
    print(text)


def markdown(name: str, rows: list[dict[str, Any]], reference: str, notes: list[str], rounds: int) -> str:
    """The table."""
    lines = [f"### {name}", "", *(f"{note}" + "\n" for note in notes)]
    lines += [f"| contestant | us per step | 10-90 % | time / {reference} |", "|---|---|---|---|"]
    for row in rows:
        us = [f"{1e6 * row[key]:.0f}" for key in ("median", "low", "high")]
        lines.append(f"| {row['contestant']} | {us[0]} | {us[1]}-{us[2]} | {row['ratio']:.2f} |")
    return "\n".join([*lines, "", f"{rounds} rounds, {versions()}", ""])


def versions() -> str:
    """What it ran on."""
    found = []
    for package in ("numpy", "torch", "jax"):
        try:
            found.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return f"{', '.join(found)}, Python {platform.python_version()}, {os.cpu_count()} cores, {date.today()}"


if __name__ == "__main__":
    main()
