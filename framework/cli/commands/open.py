"""`stackprop open [RUN|SWEEP]`: the report of a run or a sweep in the browser."""

from __future__ import annotations

import argparse
import webbrowser
from collections.abc import Sequence

from framework.cli.commands.report import written
from framework.cli.commands.ui import has_screen


def main(arguments: Sequence[str]) -> int:
    """Write `report.html` as `stackprop report` does, and open it; without a screen, print where it is."""
    parser = argparse.ArgumentParser("stackprop open", description=__doc__)
    parser.add_argument("what", nargs="?", default="last", help="a run or a sweep: name, folder, MLflow id; or: last, best")
    path = written(parser.parse_args(arguments).what).resolve()
    print(path)
    if has_screen():
        webbrowser.open(path.as_uri())
    return 0
