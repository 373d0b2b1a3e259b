"""Whether less of a metric is better: declared by metrics and studies, written into the run's record, read everywhere."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from typing import Any

SPLITS = ("train", "val", "test")
# How the names of losses and errors begin and end: for runs recorded without directions, and for undeclared metrics.
STUDIES = ("bias_variance", "zero_one/", "gradcheck/")
LOSSES = ("loss", "error", "cross_entropy", "/mse", "/mae", "/msle", "_mse", "_mae", "_msle")


def declared(metric: Any) -> bool:
    """The direction that a metric declares; by default, more is better. `falls` is the older name of the attribute."""
    return bool(getattr(metric, "lower_is_better", getattr(metric, "falls", False)))


def is_known(metric: str, known: Mapping[str, bool]) -> bool:
    """Whether the direction of a metric is declared."""
    return any(fnmatch.fnmatchcase(metric, pattern) for pattern in known)


def lower_is_better(metric: str, known: Mapping[str, bool]) -> bool:
    """Whether less of a metric is better: as declared, otherwise by its name.

    Args:
        known: as `directions` returns them, or as a run's record holds them.
    """
    for pattern, lower in known.items():
        if fnmatch.fnmatchcase(metric, pattern):
            return lower
    return metric.endswith(LOSSES) or metric.startswith(STUDIES)
