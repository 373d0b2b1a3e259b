"""Views of recorded runs: comparisons, tables, figures, reports."""
