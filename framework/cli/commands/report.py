"""`stackprop report [RUN|SWEEP]`: figures, tables and configuration of a run or a sweep as one HTML file."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from framework.analysis.report import write
from framework.analysis.sweep_table import compare
from framework.tracking.run_dir import find_any


def main(arguments: Sequence[str]) -> int:
    """Write `report.html` into its folder, and print where."""
    parser = argparse.ArgumentParser("stackprop report", description=__doc__)
    parser.add_argument("what", nargs="?", default="last", help="a run or a sweep: folder, name, MLflow id; or: last, best")
    print(f"report: {written(parser.parse_args(arguments).what)}")
    return 0


def written(word: str) -> Path:
    """Write the report of a run or a sweep; returns its path."""
    folder = find_any(word)
    if not (folder / "run.json").is_file() and not (folder / "table.md").is_file():
        compare(folder, {"x": "step", "y": None, "panels": None})  # a killed sweep has no table yet
    return write(folder)
