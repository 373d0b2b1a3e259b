"""The figure of a sweep: curves with a band over seeds, or a value of each run against a swept key or the layers."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from framework.analysis import style
from framework.analysis.comparison import (
    RecordedJob,
    SeedGroup,
    format_value,
    grouped,
    metrics,
    over_epochs,
    shortened,
    spread,
)
from framework.analysis.figures import many
from framework.config.options import FigureOptions

POINTS = 100  # per line; longer series are drawn as means
LEGEND = 28  # more lines could not be distinguished by colour and style; then the best, the median and the worst are shown
STEPS_OF = {"_by_lag": "lag", "learning_curve/": "training examples"}  # what the steps of such a metric are
SPAN = 30  # the factor above which an axis is logarithmic


class Panel(NamedTuple):
    """A panel of the figure: metrics and groups."""

    title: str
    metrics: Sequence[str]
    groups: Sequence[SeedGroup]


def draw(jobs: Sequence[RecordedJob], what: FigureOptions, y: Sequence[str], path: Path) -> Path:
    """Write the figure."""
    style.write(lambda: figure(over_epochs(jobs) if what.x == "epoch" else jobs, what, y), what, path)
    return path


def figure(jobs: Sequence[RecordedJob], what: FigureOptions, y: Sequence[str]) -> Any:
    """The figure; the series of the jobs are over what `what.x` says."""
    every = grouped(jobs, [what.x, what.panels])
    parts = panels(every, what, y)
    fig = style.sheet(1.2 + 4.2 * len(parts), 3.8)
    axes = fig.subplots(1, len(parts), squeeze=False, sharey=len({tuple(part.metrics) for part in parts}) == 1)[0]
    keys = [key for key in every[0].keys if key not in (what.x, what.panels)]
    crowded = what.along_training and len(every) > LEGEND and not any("_by_lag" in metric for metric in y)
    for ax, part in zip(axes, parts, strict=True):
        if crowded:
            _summarize(ax, part, what, keys, y[0])
        else:
            _fill(ax, part, what, keys, every)
        style.finish(ax, part.title, ax.get_xlabel(), legend=False)
    quantities = {quantity(metric) for part in parts for metric in part.metrics}
    if len(quantities) == 1:
        axes[0].set_ylabel(quantities.pop(), fontsize=style.TEXT)
    handles = {label: line for ax in axes for line, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    if len(handles) <= 2 * LEGEND and (len(handles) > 1 or any(handles)):
        named = map(shortened, handles)
        fig.legend(handles.values(), named, loc="outside right center", frameon=False, fontsize=style.SMALL)
    return fig


def panels(groups: Sequence[SeedGroup], what: FigureOptions, y: Sequence[str]) -> list[Panel]:
    """A panel for each metric, or one for all; and for each value of a key."""
    titles = {", ".join(y): y} if what.together else {metric: [metric] for metric in y}
    if what.panels is None:
        return [Panel(title, shown, groups) for title, shown in titles.items()]
    word, values = what.panels.rpartition(".")[2], dict.fromkeys(group.keys[what.panels] for group in groups)
    return [
        Panel(f"{title}   {word} {format_value(value)}", shown, [g for g in groups if g.keys[str(what.panels)] == value])
        for title, shown in titles.items()
        for value in values
    ]


def quantity(metric: str) -> str:
    """What the y axis of a metric shows: `loss`, `gradient norm`."""
    kind, _, rest = metric.partition("/")
    if kind in ("grad_norm", "gradient_by_lag", "gradient_by_lag_start"):
        return "gradient norm"
    return rest if kind in ("train", "val", "test") else metric


def label(group: SeedGroup, keys: Sequence[str]) -> str:
    """`adam lr 0.1`: the values of the keys that distinguish lines."""
    values = {key: format_value(group.keys[key]) for key in keys}
    return "  ".join(value if "." not in key else f"{key.rpartition('.')[2]} {value}" for key, value in values.items())


def _summarize(ax: Any, part: Panel, what: FigureOptions, keys: Sequence[str], first: str) -> None:
    """The best, the median and the worst setting by the first metric of the figure."""
    kept = many.ordered(part.groups, first, what.at)
    if not kept:
        return
    titles = zip(("best", "median", "worst"), many.three(kept), strict=True)
    names = [f"{title}: {label(group, keys)}" for title, group in titles]
    lost = len(part.groups) - len(kept)
    _scale(ax, what, [a for metric in part.metrics for a in many.draw(ax, kept, metric, names, lost)])
    ax.set_xlabel(what.clock)


def _fill(ax: Any, part: Panel, what: FigureOptions, keys: Sequence[str], drawn: Sequence[SeedGroup]) -> None:
    lines: dict[str, list[SeedGroup]] = {}
    for group in part.groups:
        lines.setdefault(label(group, keys), []).append(group)
    every = list(dict.fromkeys(label(group, keys) for group in drawn))
    seen: list[np.ndarray] = []
    for (m, metric), (name, groups) in itertools.product(enumerate(part.metrics), lines.items()):
        i = every.index(name)
        colour = style.COLOURS[(i if len(every) > 1 else m) % len(style.COLOURS)]
        look = {"color": colour, "ls": style.STYLES[(m or i // len(style.COLOURS)) % 4], "lw": style.LINE}
        name = f"{metric}  {name}" if len(part.metrics) > 1 else name
        if what.along_training:
            seen += _curves(ax, groups[0], metric, what.clock, name, look)
        elif any(what.x in job.series for group in groups for job in group.jobs):
            seen += _against(ax, groups[0], metric, what.x, name, look)
        elif what.x == "layer":
            seen += _by_layer(ax, groups[0], metric, what.at, name, look)
        else:
            seen += _by_key(ax, groups, metric, what, name, look)
    for goal in [(what.reach or {}).get(metric) for metric in part.metrics]:
        if goal is not None and what.x != "layer":
            ax.axhline(goal, color=style.FAINT, ls=":", lw=style.LINE / 2, zorder=0)
    _scale(ax, what, seen)


def _curves(ax: Any, group: SeedGroup, pattern: str, clock: str, name: str, look: Mapping[str, Any]) -> list[np.ndarray]:
    """A curve of every metric that matches: jobs may name their layers differently."""
    seen: list[np.ndarray] = []
    matching = metrics(group.jobs, pattern)
    for k, metric in enumerate(matching):
        own = look if len(matching) == 1 else {**look, "ls": style.STYLES[k % 4]}
        seen += _curve(ax, group, metric, name if len(matching) == 1 else f"{metric}  {name}", own)
        ax.set_xlabel(next((name for part, name in STEPS_OF.items() if part in metric), clock))
    return seen


def _curve(ax: Any, group: SeedGroup, metric: str, name: str, look: Mapping[str, Any]) -> list[np.ndarray]:
    found = group.curve(metric, POINTS)
    if found is None:
        return []
    step, mean, std = found
    by_lag = "_by_lag" in metric
    shown = np.where(mean > 0, mean, np.nan) if by_lag else mean  # no gradient at the largest lag
    dot = {"marker": "o", "ms": style.MARKER} if len(step) == 1 else {}  # a line of one point would be invisible
    ax.plot(step, shown, label=name, **look, **dot)
    if len(group.jobs) > 1 and dot:
        ax.errorbar(step, shown, std, capsize=2, color=look["color"], lw=0, elinewidth=style.LINE)
    elif len(group.jobs) > 1:
        below = shown**2 / (shown + std) if by_lag else mean - std  # symmetric on a logarithmic axis
        ax.fill_between(step, below, shown + std, color=look["color"], alpha=style.BAND, lw=0)
    return [mean]


def _against(ax: Any, group: SeedGroup, metric: str, x: str, name: str, look: Mapping[str, Any]) -> list[np.ndarray]:
    """One metric against another, at the same steps."""
    found, places_found = group.curve(metric), group.curve(x)
    if found is None or places_found is None:
        return []
    (step, mean, std), (at, place, _) = found, places_found
    (step, here, there) = np.intersect1d(step, at, return_indices=True)
    place, mean, std = place[there], mean[here], std[here]
    dot = {"marker": "o", "ms": style.MARKER} if len(place) == 1 else {}
    ax.plot(place, mean, label=name, **look, **dot)
    if len(group.jobs) > 1:
        ax.fill_between(place, mean - std, mean + std, color=look["color"], alpha=style.BAND, lw=0)
    if len(place) and place.min() > 0 and place.max() / place.min() > SPAN:
        ax.set_xscale("log")
    ax.set_xlabel(x)
    return [mean]


def _by_layer(ax: Any, group: SeedGroup, pattern: str, at: str, name: str, look: Mapping[str, Any]) -> list[np.ndarray]:
    names = metrics(group.jobs, pattern)
    values = [group.values(metric, at) for metric in names]
    mean = np.array([v.mean() for v in values])
    ax.errorbar(
        range(1, len(names) + 1),
        mean,
        [spread(v) for v in values],
        marker="o",
        ms=style.MARKER,
        capsize=2,
        label=name,
        **look,
    )
    ax.set_xlabel("layer")
    ax.set_xticks(range(1, len(names) + 1, -(-len(names) // 12)))
    return [mean]


def _by_key(
    ax: Any, groups: Sequence[SeedGroup], metric: str, what: FigureOptions, name: str, look: Mapping[str, Any]
) -> list[np.ndarray]:
    values = [group.values(metric, what.at) for group in groups]
    kept = [(group.keys[what.x], v) for group, v in zip(groups, values, strict=True) if len(v)]
    x = places([key for key, _ in kept])
    mean = np.array([v.mean() for _, v in kept])
    _points(ax, x, [v for _, v in kept], name, look)
    numbers = all(isinstance(place, float) for place in x)
    above = [place for place in x if numbers and place > 0]
    if len(above) > 2 and min(x) >= 0 and max(x) / min(above) > SPAN:
        ax.set_xscale("symlog", linthresh=min(above)) if min(x) == 0 else ax.set_xscale("log")
    ax.set_xlabel(what.x)
    return [mean]


def _points(ax: Any, x: Sequence[Any], values: Sequence[np.ndarray], name: str, look: Mapping[str, Any]) -> None:
    """Means with their spread."""
    mean, std = [v.mean() for v in values], [spread(v) for v in values]
    ax.errorbar(x, mean, std, marker="o", ms=style.MARKER, capsize=2, label=name, **look)


def places(words: Sequence[str]) -> list[Any]:
    """Numbers if all words are numbers, words otherwise."""
    try:
        return [float(word) for word in words]
    except ValueError:
        return list(words)


def _scale(ax: Any, what: FigureOptions, seen: Sequence[np.ndarray]) -> None:
    values = np.concatenate(seen) if seen else np.ones(1)
    values = values[np.isfinite(values)]
    wide = bool(len(values)) and bool((values > 0).all()) and values.max() / values.min() > SPAN
    if what.log or (what.log is None and wide):
        ax.set_yscale("log")
        if wide:
            ax.set_ylim(bottom=values.min() / 2)  # a band may extend below 0
