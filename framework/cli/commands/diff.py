"""`stackprop diff A B [C ...]`: what differs between runs, or between sweeps: configuration, code, data, results."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from framework.analysis.listing.difference import Sections, differing, is_equal, row_of
from framework.core.errors import ConfigError
from framework.tracking.naming import distinct, printable
from framework.tracking.run_dir import find_any

WIDTH = 140  # characters of a line that is not for a terminal


def main(arguments: Sequence[str]) -> int:
    """Print a table for each part, with a column for each run; equal values are left out."""
    parser = argparse.ArgumentParser("stackprop diff", description=__doc__)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="two or more runs, or sweeps: name, folder, id; last, best")
    parser.add_argument("--json", action="store_true", help="the same as JSON")
    given = parser.parse_args(arguments)
    if len(given.runs) < 2:
        raise ConfigError(f"diff: two or more runs are needed (got {' '.join(given.runs)}); stackprop diff last best")
    rows = [row_of(find_any(word)) for word in given.runs]
    found = differing(rows)
    if given.json:
        print(json.dumps({"runs": [str(row.folder) for row in rows], **found}, indent=2))
    else:
        show(found, distinct([row.name for row in rows], [row.folder for row in rows]))
    return 0


def show(found: Sections, names: Sequence[str]) -> None:
    """Print what differs."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
    if is_equal(found):
        print("identical: the same configuration, code and results")
    for title, table in found.items():
        shown = Table(box=None, pad_edge=False, header_style="bold")
        for name in (title, *names):
            shown.add_column(Text(name))
        for key, values in table.items():
            shown.add_row(*(Text(printable(cell)) for cell in (key, *values)))
        console.print(shown, "")
