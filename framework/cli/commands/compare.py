"""`stackprop compare [SWEEP] [y=METRIC] [x=KEY] ... [to=FOLDER|FILE.pdf]`: table and figure of a sweep, over seeds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from framework.analysis.sweep_table import compare
from framework.cli.commands.naming import options
from framework.core.errors import ConfigError
from framework.core.writing import check_no_link
from framework.tracking.run_dir import find_sweep

NAMED = 100  # maximum characters of a folder's name


def main(arguments: Sequence[str]) -> int:
    """Redraw the comparison of a sweep, or draw another one into a separate folder."""
    words = [word for word in arguments if "=" not in word]
    if len(words) > 1:
        raise ConfigError(f"compare: one sweep at a time (got {' '.join(words)})")
    given = dict(word.split("=", 1) for word in arguments if "=" in word)
    to = given.pop("to", None)
    sweep, changes = find_sweep(words[0] if words else "last"), options(given)
    place = Path(to).expanduser() if to else folder_of(sweep, given)
    is_file = bool(to and place.suffix and not place.is_dir())
    compare(sweep, changes, None if is_file else place, place if is_file else None)
    return 0


def folder_of(sweep: Path, changes: Mapping[str, str]) -> Path:
    """The folder of a comparison: that of the sweep, or one in `comparisons/`, named after the changes."""
    if not changes:
        return sweep
    words = "-".join(f"{key}={value}" for key, value in changes.items())
    folder = sweep / "comparisons" / re.sub(r"[^\w.=,-]+", "_", words)[:NAMED]
    check_no_link(folder.parent)
    check_no_link(folder)
    return folder
