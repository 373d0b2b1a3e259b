"""Selects the rows of a list: those that match, in an order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from framework.analysis.listing.filters import parsed
from framework.analysis.listing.rows import FIELDS, MISSING, Row, RunRow, folded, in_order, listed
from framework.core.errors import ConfigError, did_you_mean


def selected(
    filters: Sequence[str] = (), runs: Path | None = None, sort: str = "started", unfolded: bool | None = None
) -> list[Row]:
    """The rows that match all filters.

    Args:
        filters: `status=finished`, `optimizer.lr<0.05`, `name=wide*`, `tags.paper=fig3`, `sweep=last` ...
        sort: a key; the newest first, a metric the best first, others in ascending order; rows without it last.
        unfolded: a row for each job, not one for each sweep; None: if a filter names the sweep.

    Raises:
        ConfigError: a filter cannot be read, or no run has that key.
    """
    every = listed(runs)
    tests = [parsed(word) for word in filters]
    for test in tests:
        check_known(test.key, every)
    found = [run for run in every if all(test.holds(run) for test in tests)]
    unfolded = any(test.key == "sweep" for test in tests) if unfolded is None else unfolded
    check_known(sort, every)
    return in_order(list[Row](found) if unfolded else folded(found, every), sort)


def check_known(key: str, rows: Sequence[RunRow]) -> None:
    """Check that some run has a value for a key.

    Raises:
        ConfigError: none has; the message offers close names.
    """
    if key in FIELDS or not rows or any(row.value(key) is not MISSING for row in rows):
        return
    if any(key in row.state.get("lower_is_better", {}) for row in rows):
        return  # a metric that no run has reached yet
    newest = sorted(rows, key=lambda row: row.started)[-20:]
    raise ConfigError(f"{key}: no run has it{did_you_mean(key, dict.fromkeys(k for row in newest for k in row.keys))}")
