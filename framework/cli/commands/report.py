"""`stackprop report [RUN|SWEEP]`: figures, tables and configuration of a run or a sweep as one HTML file."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from framework.analysis.report import write
from framework.analysis.sweep_table import compare
from framework.tracking.run_dir import find_any


def main(arguments: Sequence[str]) -> int:
    """Write `report.html` into its folder, and print where."""
    parser = argparse.ArgumentParser("stackprop report", description=__doc__)
    parser.add_argument("what", nargs="?", default="last", help="a run or a sweep: folder, name, MLflow id; or: last, best")
    folder = find_any(parser.parse_args(arguments).what)
    if not (folder / "run.json").is_file() and not (folder / "table.md").is_file():
        compare(folder, {"x": "step", "y": None, "panels": None})  # a killed sweep has no table yet
    print(f"report: {write(folder)}")
    return 0
