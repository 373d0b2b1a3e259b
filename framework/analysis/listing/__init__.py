"""Lists recorded runs and sweeps: filtered by what was recorded, sorted, the jobs of a sweep as one row."""

from framework.analysis.listing.rows import RunRow, SweepRow, listed
from framework.analysis.listing.selection import selected

__all__ = ["RunRow", "SweepRow", "listed", "selected"]
