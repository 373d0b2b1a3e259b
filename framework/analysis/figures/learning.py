"""Learning curves: training and validation over epochs, of a run, or of a sweep with a band over seeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from framework.analysis import style
from framework.analysis.comparison import RecordedJob, SeedGroup, format_value, grouped, over_epochs, ranked, shortened
from framework.analysis.figures.options import LearningOptions
from framework.analysis.figures.run_view import RunView
from framework.config.options import CLOCKS
from framework.core.errors import ConfigError, did_you_mean
from framework.tracking.thinning import parts, summary

SPLITS = {"train": ("--", "training"), "val": ("-", "validation")}
LINES = 7  # maximum settings of a sweep, a colour each; of more, the best ones by the first metric


class Curve(NamedTuple):
    """A mean over seeds: places, means, standard deviations."""

    x: np.ndarray
    mean: np.ndarray
    std: np.ndarray


def of_run(run: RunView, options: LearningOptions | None = None) -> Any:
    """A panel for each metric, with training and validation. A training loss is the mean over the steps since the last
    validation. None without any."""
    names = measured(run.series, options)
    if not names:
        return None
    group = SeedGroup({}, (RecordedJob(run.folder.name, {}, "finished", run.series, folder=run.folder),))
    return figure([group], names, run.clock)


def of_sweep(jobs: Sequence[RecordedJob], options: LearningOptions) -> Any:
    """The same for each setting of a sweep: the mean over seeds, and a band of one standard deviation."""
    jobs = over_epochs(jobs) if options.x == "epoch" else jobs
    groups = grouped([job for job in jobs if job.series])
    names = measured([name for job in jobs for name in job.series], options)
    return figure(groups, names, CLOCKS[options.x]) if groups and names else None


def measured(series: Iterable[str], options: LearningOptions | None) -> list[str]:
    """The metrics to draw, without their split.

    Raises:
        ConfigError: one was not recorded.
    """
    known = [name.partition("/")[2] for name in series if name.startswith(("train/", "val/"))]
    known = sorted(dict.fromkeys(name for name in known if name != "penalty"), key=lambda name: name != "loss")
    given = options.y if options else None
    if given is None:
        return known[:2]
    for name in (names := [given] if isinstance(given, str) else list(given)):
        if name not in known:
            raise ConfigError(f"figure.y: no '{name}' of training or validation was recorded{did_you_mean(name, known)}")
    return names


def figure(groups: Sequence[SeedGroup], names: Sequence[str], clock: str) -> Any:
    """A panel for each metric, a colour for each setting; for a single one, a colour for each split."""
    several = len(groups) > 1
    fig = style.sheet(1.2 + (2.0 if several else 0) + 3.8 * len(names), style.HEIGHT)
    known = [f"{split}/{names[0]}" for split in ("val", "train")]
    first = next((metric for metric in known if any(metric in job.series for job in groups[0].jobs)), "")
    shown = ranked(groups, first, "kept")[:LINES] if len(groups) > LINES else groups
    axes = fig.subplots(1, len(names), squeeze=False)[0]
    for ax, name in zip(axes, names, strict=True):
        _panel(ax, shown, name)
        style.finish(ax, name, clock, legend=not several and ax is axes[0], y=name)
        ax.xaxis.get_major_locator().set_params(integer=True)
    if several:
        axes[0].plot([], [], "--", color=style.FAINT, lw=style.LINE, label="dashed: training")
    if len(groups) > LINES:
        axes[0].plot([], [], " ", label=f"{len(groups) - LINES} more, not shown")
    if several:
        fig.legend(*axes[0].get_legend_handles_labels(), loc="outside right center", frameon=False, fontsize=style.SMALL)
    return fig


def _panel(ax: Any, groups: Sequence[SeedGroup], name: str) -> None:
    several = len(groups) > 1
    for i, group in enumerate(groups):
        found = {split: line for split in SPLITS if (line := curve(group, split, name)) is not None}
        for split, line in found.items():
            colour = style.COLOURS[(i if several else list(SPLITS).index(split)) % len(style.COLOURS)]
            dashes, word = SPLITS[split]
            text = word if not several else _named(group) if split == list(found)[-1] else ""
            _draw(ax, line, len(group.jobs) > 1, text, colour, dashes if several else "-")
    if name == "loss" and all((line.get_ydata() > 0).all() for line in ax.lines):
        ax.set_yscale("log")


def curve(group: SeedGroup, split: str, name: str) -> Curve | None:
    """A metric of a split over the seeds of a group; a series of every training step as means since the last validation."""
    metric = f"{split}/{name}"
    jobs = [_job(job, metric, f"val/{name}") for job in group.jobs if metric in job.series]
    found = SeedGroup(group.keys, tuple(jobs)).curve(metric, style.POINTS) if jobs else None
    return None if found is None or not len(found[0]) else Curve(*found)


def _job(job: RecordedJob, metric: str, validation: str) -> RecordedJob:
    series = job.series
    if validation not in series or summary(series, metric).count <= summary(series, validation).count:
        return job
    return RecordedJob(job.name, job.overrides, job.status, {metric: since(parts(series, metric), series[validation][:, 0])})


def since(series: Iterable[np.ndarray], ends: np.ndarray) -> np.ndarray:
    """(K, 2) of each end and the mean of a series, which comes in pieces, since the end before it."""
    found, rest, done = list[np.ndarray](), np.zeros((0, 2)), 0
    for a in series:
        rest = np.concatenate([rest, a])
        before = int(np.searchsorted(ends, rest[-1, 0]))  # ends before the last step: all their rows are there
        if before > done:
            found.append(_since(rest, ends[done:before]))
            rest, done = rest[np.searchsorted(rest[:, 0], ends[before - 1], side="right") :], before
    return np.concatenate([np.zeros((0, 2)), *found, *([_since(rest, ends[done:])] if done < len(ends) else [])])


def _since(a: np.ndarray, ends: np.ndarray) -> np.ndarray:
    edges = np.searchsorted(a[:, 0], ends, side="right")
    pairs = [(end, a[i:j, 1].mean()) for end, i, j in zip(ends, [0, *edges[:-1]], edges, strict=True) if j > i]
    return np.array(pairs, float).reshape(-1, 2)


def _named(group: SeedGroup) -> str:
    words = [f"{key.rpartition('.')[2]} {format_value(value)}" for key, value in group.keys.items()]
    return shortened("  ".join(words))


def _draw(ax: Any, found: Curve, banded: bool, text: str, colour: str, dashes: str) -> None:
    dot = {"marker": "o", "ms": style.MARKER} if len(found.x) == 1 else {}
    ax.plot(found.x, found.mean, dashes, color=colour, lw=style.LINE, label=text, **dot)
    if banded:
        ax.fill_between(found.x, found.mean - found.std, found.mean + found.std, color=colour, alpha=style.BAND, lw=0)
