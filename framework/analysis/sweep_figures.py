"""The figures of a sweep that `stackprop figure` draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from framework.analysis import importance
from framework.analysis.comparison import RecordedJob, grouped, metrics, none_started, over_epochs, read_jobs
from framework.analysis.figures import learning, parallel, stacked
from framework.analysis.figures import sweep as curves
from framework.analysis.figures.options import LearningOptions, MetricOption, validated
from framework.analysis.sweep_table import (
    check_swept,
    figure_options,
    matching_names,
    reductions,
    settings,
    sort_metric,
    table_metrics,
    tree_of_first,
)
from framework.config.options import Appearance

KINDS = {  # name -> a description
    "comparison": "The figure of the sweep, as `compare` draws it.",
    "loss": "Training and validation loss of each setting, averaged over seeds.",
    "gradient_norms": "The gradient norm of each layer of each setting, a panel for each layer.",
    "gradient_by_lag": "The gradient against the time lag, at the first and the last sample, for each setting.",
    "learning": "Learning curves of each setting: mean and band over seeds.",
    "parallel": "Parallel coordinates: an axis for each swept key; the colour is the metric.",
    "importance": "How much each swept key matters: together with the others (total), and alone (main).",
}
CURVES: dict[str, tuple[Sequence[str], dict[str, Any]]] = {  # kind -> the metrics, and other options
    "loss": (("train/loss", "val/loss"), {}),
    "gradient_norms": (("grad_norm/*",), {"log": True}),
    "gradient_by_lag": (("gradient_by_lag_start/*", "gradient_by_lag/*"), {"log": True}),
}
Make = Callable[[], Any]


def prepared(kind: str, sweep: Path, given: Mapping[str, Any]) -> tuple[Appearance, Make]:
    """Size, labels and style of a figure, and a function that makes it, or returns None where nothing was recorded.

    Raises:
        ConfigError: no job was started, an option is not valid, or a metric was not recorded.
    """
    jobs = read_jobs(sweep)
    if not jobs:
        raise none_started(sweep)
    if kind in ("comparison", *CURVES):
        return _of_curves(kind, sweep, jobs, given)
    own = (tree_of_first(sweep, jobs).get("figure") or {}).get("style")
    options, look = validated(kind, LearningOptions if kind == "learning" else MetricOption, {"style": own, **given})
    if kind == "learning":
        return look, lambda: learning.of_sweep(jobs, options)
    return look, lambda: _of_settings(kind, sweep, jobs, options.y)


def _of_curves(kind: str, sweep: Path, jobs: Sequence[RecordedJob], given: Mapping[str, Any]) -> tuple[Appearance, Make]:
    if kind == "comparison":
        what = figure_options(sweep, jobs, given)
    else:
        own = (tree_of_first(sweep, jobs).get("figure") or {}).get("style")
        patterns, others = CURVES[kind]
        names = [name for pattern in patterns for name in _named(jobs, pattern)]
        what = settings({"y": names, **others, "style": own, **given})
        if not names and "y" not in given:
            return what, lambda: None
    y = table_metrics(what, jobs)
    check_swept(what, jobs)
    make = stacked.figure if what.stack else curves.figure
    return what, lambda: make(over_epochs(jobs) if what.x == "epoch" else jobs, what, y)


def _named(jobs: Sequence[RecordedJob], pattern: str) -> list[str]:
    """The metrics of a pattern; of gradients by lag the pattern itself where jobs name their layers differently, since these
    share a panel."""
    names = metrics(jobs, pattern)
    return [pattern] if len(names) > 1 and "by_lag" in pattern else names


def _of_settings(kind: str, sweep: Path, jobs: Sequence[RecordedJob], y: str | None) -> Any:
    """A figure of the settings, averaged over seeds, and a metric."""
    groups = grouped(jobs)
    if y is not None:
        metric = matching_names("y", y, jobs)[0]
    else:
        what = figure_options(sweep, jobs, {})
        metric = sort_metric(sweep, groups, reductions(what, table_metrics(what, jobs), jobs))
    if not metric:
        return None
    if kind == "parallel":
        return parallel.draw(groups, metric)
    effects = importance.importance(groups, metric, "kept")
    return importance.figure(effects, metric) if effects else None


__all__ = ["KINDS", "prepared"]
