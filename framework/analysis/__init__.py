"""What recorded runs show: comparisons, tables, figures, reports."""
