"""The table and the figure of a sweep."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from framework.analysis import importance, out_of_fold
from framework.analysis.comparison import (
    RecordedJob,
    SeedGroup,
    best_group,
    best_job,
    cell,
    grouped,
    has_best,
    metrics,
    none_started,
    ranked,
    read_jobs,
    rows,
    spread,
    swept,
)
from framework.analysis.figures import stacked
from framework.analysis.figures.sweep import draw
from framework.analysis.style import FORMATS
from framework.config.options import FigureOptions
from framework.core.errors import ConfigError, did_you_mean
from framework.core.log import log
from framework.core.repeats import REPEATS, name_of_repeats
from framework.core.validation import Validator
from framework.core.writing import write_text
from framework.registry.discovery import discover
from framework.tracking.run_dir import read_sweep, tree_of_run, update_sweep

OTHER_AXES = ("step", "epoch", "layer")  # what the x axis may be, besides a swept key or a metric
SHOWN = 31  # maximum lines of a table on the screen, with header; the file has all


def compare(
    sweep: Path,
    changes: dict[str, Any],
    to: Path | None = None,
    file: Path | None = None,
    jobs: Sequence[RecordedJob] | None = None,
    meanwhile: Callable[[], None] = lambda: None,
) -> tuple[list[SeedGroup], dict[str, str]]:
    """Print the table of a sweep; write it to `table.md` and the figure to `comparison.png`.

    Args:
        changes: what to show, instead of the sweep's key `figure`.
        to: the folder for both; None: that of the sweep.
        file: a file for the figure alone.
        jobs: runs to compare instead of the jobs of the sweep.
        meanwhile: is called when `sweep.json` names the best job, before the figure is drawn.

    Returns:
        The rows of the table, and its metrics.

    Raises:
        ConfigError: a metric was not recorded, a key was not swept, or the folder cannot be created.
    """
    file = figure_file(file) if file else None
    to = sweep if to is None or file else output_folder(to)
    jobs = read_jobs(sweep) if jobs is None else jobs
    what, y, groups, shown, metric = tabled(sweep, changes, jobs)
    table = list(rows(groups, shown, what.reach))
    show([*table[:SHOWN], *([["..."] + [""] * (len(table[0]) - 1)] if len(table) > SHOWN else [])])
    drawn = stacked.draw if what.stack else draw
    if file:
        print(f"figure: {drawn(jobs, what, y, file)}")
        return groups, shown
    if len(table) > SHOWN:
        print(f"{len(table) - SHOWN} more rows in {to / 'table.md'}")
    lines = [f"| {' | '.join(row)} |" for row in (table[0], ["---"] * len(table[0]), *table[1:])]
    write_text(to / "table.md", "\n".join(lines) + "\n", lasting=False)
    best = note_best(sweep, groups, metric) if to == sweep else None
    if best is not None:
        meanwhile()
    print(f"figure: {drawn(jobs, what, y, to / 'comparison.png')}")
    if effects := importance.importance(groups, metric, shown.get(metric, "kept")) if metric else {}:
        importance.write(to, effects, metric)
        print(f"importance (total effect): {', '.join(f'{key} {found.total:.2f}' for key, found in effects.items())}")
    if best is not None:
        print_best(sweep, groups, metric, best)
    return groups, shown


def tabled(
    sweep: Path, changes: Mapping[str, Any], jobs: Sequence[RecordedJob]
) -> tuple[FigureOptions, list[str], list[SeedGroup], dict[str, str], str]:
    """What the figure shows, its metrics, the rows of the table in their order, metric -> value of the table, and the
    metric of the order.

    Raises:
        ConfigError: there is no job, a metric was not recorded, or a key was not swept.
    """
    if not jobs:
        raise none_started(sweep)
    what = figure_options(sweep, jobs, changes)
    y = table_metrics(what, jobs)
    check_swept(what, jobs)
    shown = reductions(what, y, jobs)
    every = grouped(jobs, [what.x, what.panels])
    metric = sort_metric(sweep, every, shown)
    return what, y, ranked(every, metric, shown.get(metric, "kept")), shown, metric


def figure_options(sweep: Path, jobs: Sequence[RecordedJob], changes: Mapping[str, Any]) -> FigureOptions:
    """The options of the figure and the table of a sweep: those of its study, of its key `figure`, and changes. The metric
    of early stopping comes first. Metrics that the user has named are in the table."""
    config = tree_of_first(sweep, jobs)
    what = settings({**of_study(config), **(config.get("figure") or {}), **changes})
    if what.y is None:
        own = config.get("metrics")
        named = [f"val/{name}" for name in own if isinstance(name, str)] if isinstance(own, Mapping | list) else []
        y = dict.fromkeys([*monitored(config, jobs), *table_metrics(what, jobs)])
        table = y | dict.fromkeys(name for name in named if metrics(jobs, name))
        what = replace(what, y=tuple(y), table=what.table or tuple(table))
    if what.x == "swept":
        return replace(what, x=next((key for key in swept(jobs) if key not in REPEATS), "step"))
    return what


def monitored(config: Mapping[str, Any], jobs: Sequence[RecordedJob]) -> list[str]:
    """The metric of early stopping, which also decided what the jobs saved; empty if they did not record it."""
    stopping = (config.get("trainer") or {}).get("early_stopping") or {}
    return [name for name in [str(stopping.get("monitor"))] if metrics(jobs, name)]


def tree_of_first(sweep: Path, jobs: Sequence[RecordedJob]) -> dict[str, Any]:
    """The configuration of the first job that has one, which holds the figure options of all jobs; empty if no job has
    one."""
    for job in jobs:
        try:
            return tree_of_run(job.folder)
        except ConfigError as error:
            log.warning(f"{error}")
    return {}


def figure_file(path: Path) -> Path:
    """The file of a figure; its folder is created if missing.

    Raises:
        ConfigError: its name does not end in a format of figures.
    """
    suffix = path.suffix.lower().lstrip(".")
    if suffix not in FORMATS:
        raise ConfigError(f"to: '{path}' is not a name of a figure{did_you_mean(suffix, FORMATS)}")
    output_folder(path.parent)
    return path


def output_folder(folder: Path) -> Path:
    """The folder, created if missing.

    Raises:
        ConfigError: it cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"to: the folder '{folder}' cannot be created ({error.strerror})") from error
    return folder


def sort_metric(sweep: Path, groups: Sequence[SeedGroup], shown: Iterable[str]) -> str:
    """The metric for the order of rows and for the best job: that of a search; otherwise the first one of the table with a
    direction, a training or test metric only if there is no other and no `val/loss`."""
    goal = (read_sweep(sweep).get("objective") or {}).get("metric", "")
    able = [name for name in shown if has_best(groups, name)]
    held_out = [name for name in able if not name.startswith(("train/", "test/"))]
    recorded = metrics([job for group in groups for job in group.jobs], "val/loss")
    return next(iter([goal] * bool(goal) + held_out + recorded + able), "")


def note_best(sweep: Path, groups: Sequence[SeedGroup], metric: str) -> SeedGroup | None:
    """Write the best job into `sweep.json`: that of the group with the best mean over seeds, which is returned."""
    group = best_group(groups, metric)
    if group is None:
        update_sweep(sweep, {"best": None})
        return None
    job, values = best_job(group, metric), group.values(metric, "kept")
    found = {"job": job.name, "metric": metric, "value": job.value(metric, "kept")}
    update_sweep(sweep, {"best": found | {"mean": float(values.mean()), "std": spread(values), "seeds": len(values)}})
    return group


def print_best(sweep: Path, groups: Sequence[SeedGroup], metric: str, group: SeedGroup) -> None:
    """Print the best setting and its best job."""
    job, values = best_job(group, metric), group.values(metric, "kept")
    named = " ".join(f"{key}={value}" for key, value in group.keys.items())
    value = job.value(metric, "kept")
    which = f" over {len(values)} {name_of_repeats(swept(group.jobs))} (best: job {job.name}, {value:.4g})"
    predicted = out_of_fold.write(sweep, group)
    print(f"best: {named or 'all jobs'}: {metric} {cell(values)}{which if len(values) > 1 else f' (job {job.name})'}")
    if predicted is not None:
        print(f"its predictions for examples that did not train: {predicted}")
    if doubt := incomparable([job for each in groups for job in each.jobs], metric):
        print(doubt)


OF_A_LOSS, OF_DATA = ("loss", "heads"), ("dataset", "dataset.path", "dataset.target", "dataset.scale_targets")


def incomparable(jobs: Sequence[RecordedJob], metric: str) -> str:
    """A line where a metric is another quantity from job to job: another loss, or a target in another unit; else nothing."""
    of_loss = [key for key in swept(jobs) if key.split(".")[0] in OF_A_LOSS and metric.endswith("/loss")]
    keys = [*of_loss, *(key for key in swept(jobs) if key in OF_DATA)]
    if not keys:
        return ""
    others = [name for name in metrics(jobs, "val/*") if not name.endswith("/loss")] if keys == of_loss else []
    advice = f"; compare another metric: stackprop compare last y={others[0]}" if others else ""
    return f"this says little: {metric} is another quantity with another {' and '.join(keys)}{advice}"


def of_study(config: Mapping[str, Any]) -> dict[str, Any]:
    """The figure options that the study of a sweep suggests."""
    study = config.get("study") or {}
    name = study if isinstance(study, str) else study.get("type")
    return dict(getattr(discover().get("study", name), "figure", {})) if name else {}


def settings(options: dict[str, Any]) -> FigureOptions:
    """The validated figure options."""
    validator = Validator(discover(), {})
    what: FigureOptions = validator.value(FigureOptions, options, "figure")
    if validator.errors:
        raise ConfigError("\n".join(validator.errors))
    return what


def table_metrics(what: FigureOptions, jobs: Sequence[RecordedJob]) -> list[str]:
    """The metrics to show: as configured, otherwise the validation loss, and accuracy and mae if recorded."""
    known = metrics(jobs, "*")
    if what.y is None:
        loss = "val/loss" if "val/loss" in known else "train/loss"
        return [loss, *(name for name in ("val/accuracy", "val/mae") if name in known)]
    return matching_names("y", what.y, jobs)


def reductions(what: FigureOptions, y: Sequence[str], jobs: Sequence[RecordedJob]) -> dict[str, str]:
    """Metric of the table -> the value to show: as in the figure, otherwise that of the saved weights."""
    matching_names("reach", list(what.reach or ()), jobs)
    patterns = y if what.table is None else matching_names("table", what.table, jobs)
    drawn = set() if what.along_training else {name for pattern in y for name in metrics(jobs, pattern)}
    names = dict.fromkeys(name for pattern in patterns for name in metrics(jobs, pattern))
    return {name: what.at if name in drawn else "kept" for name in names}


def matching_names(key: str, given: str | Sequence[str], jobs: Sequence[RecordedJob]) -> list[str]:
    """Names or patterns as a list.

    Raises:
        ConfigError: no job recorded such a metric.
    """
    names = [given] if isinstance(given, str) else list(given)
    for metric in names:
        if not metrics(jobs, metric):
            raise ConfigError(f"figure.{key}: no job recorded '{metric}'{did_you_mean(metric, metrics(jobs, '*'))}")
    return names


def check_swept(what: FigureOptions, jobs: Sequence[RecordedJob]) -> None:
    """Check that x and panels are swept keys, or that x is a metric.

    Raises:
        ConfigError: a key has the same value in all jobs.
    """
    for name, key in (("x", what.x), ("panels", what.panels)):
        against = name == "x" and not what.stack and str(key) in metrics(jobs, "*")
        known = [*(OTHER_AXES if name == "x" else ()), *swept(jobs)]
        if key not in (None, *known) and not against:
            raise ConfigError(f"figure.{name}: '{key}' is not swept{did_you_mean(str(key), known)}")


def show(table: Sequence[Sequence[str]]) -> None:
    """Print the table."""
    from rich.console import Console
    from rich.table import Table

    shown = Table(box=None, pad_edge=False)
    for i, column in enumerate(table[0]):
        shown.add_column(column, justify="left" if i == 0 else "right")
    for row in table[1:]:
        shown.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 200, force_jupyter=False).print(shown, markup=False, highlight=False)
