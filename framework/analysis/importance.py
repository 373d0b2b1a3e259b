"""The importance of the swept keys: main effect and total effect of each on the order of the settings."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from framework.analysis import style
from framework.analysis.comparison import SeedGroup
from framework.analysis.figures.sweep import places
from framework.core.writing import write_text

LEAST, BINS = 6, 4  # settings needed; groups of neighbouring numbers of a search
CELLS = 100_000  # maximum combinations that are looked at
FILE, FIGURE = "importance.md", "importance.png"


class Effect(NamedTuple):
    """The shares of a key in the variance, in 0 ... 1."""

    main: float
    total: float


def importance(groups: Sequence[SeedGroup], metric: str, at: str) -> dict[str, Effect]:
    """Key -> its effects, the largest total first; empty for one key, for few settings, or if all have one value.

    The settings are ranked by the mean of the metric over their seeds, diverged ones last. With r the rank of a
    combination of values, and variances over all combinations,

        main effect of k  = Var(E[r | k]) / Var(r),  what k explains alone,
        total effect of k = E[Var(r | all others)] / Var(r),  what changes if only k changes.

    The total effect is the larger one: it includes what k does together with others, such as a rate whose best value
    depends on the optimizer. In a grid with all combinations both are exact. In a search, where numbers are put into bins
    of equal count, a random forest predicts the combinations that were not tried. Sobol (2001); for searches Hutter,
    Hoos, Leyton-Brown (ICML 2014).
    """
    keys = list(groups[0].keys) if groups else []
    means = np.array([group.mean(metric, at) for group in groups])
    sign = 1 if groups and groups[0].lower_is_better(metric) else -1
    r = _ranks(np.where(np.isfinite(means), sign * means, np.inf))
    if len(keys) < 2 or len(groups) < LEAST or not r.std():
        return {}
    columns = [[group.keys[key] for group in groups] for key in keys]
    whole = np.prod([len(set(column)) for column in columns]) == len(groups)
    codes = np.stack([_codes(column, whole) for column in columns], 1)
    sizes = codes.max(0) + 1
    if np.prod(sizes.astype(float)) > CELLS:
        return {}
    table = _tried(codes, r, sizes) if whole else _predicted(codes, [_are_numbers(c) for c in columns], r, sizes)
    found = {key: effect(table, axis) for axis, key in enumerate(keys)}
    return dict(sorted(found.items(), key=lambda item: -item[1].total))


def effect(table: np.ndarray, axis: int) -> Effect:
    """The effects of one axis of a table of ranks."""
    variance = table.var() or 1.0
    others = tuple(i for i in range(table.ndim) if i != axis)
    return Effect(float(table.mean(others).var() / variance), float(table.var(axis).mean() / variance))


def _ranks(a: np.ndarray) -> np.ndarray:
    """1 for the smallest; equal values share the mean of their ranks."""
    _, which, counts = np.unique(a, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[which]


def _are_numbers(values: Sequence[str]) -> bool:
    return all(isinstance(number, float) for number in places(values))


def _codes(values: Sequence[str], whole: bool) -> np.ndarray:
    """The number of each value among the values of its key, in order; of a search, numbers are put into bins."""
    numbers = np.array(places(values)) if _are_numbers(values) else np.array(values)
    found = np.unique(numbers, return_inverse=True)[1]
    if whole or found.max() < BINS or not _are_numbers(values):
        return found
    return np.unique(((_ranks(numbers) - 0.5) * BINS / len(values)).astype(int), return_inverse=True)[1]


def _tried(codes: np.ndarray, r: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    table = np.empty(sizes)
    table[tuple(codes.T)] = r
    return table


def _predicted(codes: np.ndarray, ordered: Sequence[bool], r: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """The ranks of all combinations, by a random forest; names are one column for each value."""
    from sklearn.ensemble import RandomForestRegressor

    def features(rows: np.ndarray) -> np.ndarray:
        columns = [rows[:, [i]] if is_ordered else rows[:, [i]] == range(sizes[i]) for i, is_ordered in enumerate(ordered)]
        return np.concatenate(columns, 1).astype(float)

    every = np.array(list(itertools.product(*map(range, sizes))))
    forest = RandomForestRegressor(100, random_state=0).fit(features(codes), r)
    return np.asarray(forest.predict(features(every))).reshape(sizes)


def write(folder: Path, effects: Mapping[str, Effect], metric: str) -> None:
    """Write the table and the figure."""
    lines = [f"| {key} | {found.total:.2f} | {found.main:.2f} |" for key, found in effects.items()]
    about = (
        f"Shares of the variance of the settings' ranks by {metric}: with other keys (total effect), alone (main effect)."
    )
    head = ["| key | total effect | main effect |", "| --- | --- | --- |"]
    write_text(folder / FILE, about + "\n\n" + "\n".join([*head, *lines]) + "\n", lasting=False)
    style.save(figure(effects, metric), folder / FIGURE)


def figure(effects: Mapping[str, Effect], metric: str) -> Any:
    """Two bars for each key: total effect, and main effect."""
    fig = style.sheet(style.WIDTH, 1.4 + 0.4 * len(effects))
    ax, place = fig.subplots(), np.arange(len(effects))
    ax.barh(place - 0.2, [found.total for found in effects.values()], 0.38, color=style.COLOURS[0], label="total effect")
    ax.barh(place + 0.2, [found.main for found in effects.values()], 0.38, color=style.COLOURS[5], label="main effect")
    ax.set_yticks(place, list(effects), fontsize=style.SMALL)
    ax.invert_yaxis()
    ax.set_xlim(0, 1)
    style.finish(ax, f"importance for {metric}", "share of the variance")
    return fig
