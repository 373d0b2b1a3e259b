"""Cells of CSV files that a spreadsheet shows as they are."""

from __future__ import annotations

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def spreadsheet_safe(cell: str) -> str:
    """A cell of a CSV file, protected from formula injection: an apostrophe comes before text that a spreadsheet would read
    as a formula (`=...`, `+...`, `-...`, `@...`, or after a tab or a line break). Numbers stay unchanged."""
    if not cell.startswith(FORMULA):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell
