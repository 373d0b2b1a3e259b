"""The figures of a regression: predictions against true values, and residuals; in the unit of the target."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from framework.analysis import style
from framework.analysis.figures.options import SplitOptions
from framework.analysis.figures.outputs import held_out, outputs
from framework.analysis.figures.run_view import RunView
from framework.core.errors import ConfigError, did_you_mean

PANELS = 4  # a target of more columns is drawn as a whole
POINTS = 3000  # maximum dots of a panel; the numbers are those of all
BINS = 30
DOT, FAINT = 0.6, {"color": style.FAINT, "lw": 1, "zorder": 0}


class Compared(NamedTuple):
    """Predictions and true values of one column of the target.

    Attributes:
        name: of the column.
        y, t: (K,), in the unit of the target.
        w: (K,), the weights of the examples.
        title: the split, and how much of it was evaluated.
    """

    name: str
    y: np.ndarray
    t: np.ndarray
    w: np.ndarray
    title: str

    @property
    def rmse(self) -> float:
        """sqrt(mean (y - t)^2), the weighted mean."""
        return float(np.sqrt(np.average((self.y - self.t) ** 2, weights=self.w)))

    @property
    def r2(self) -> float:
        """1 - sum w (t - y)^2 / sum w (t - mean t)^2; NaN for targets that are all equal."""
        total = float(np.sum(self.w * (self.t - np.average(self.t, weights=self.w)) ** 2))
        return 1 - float(np.sum(self.w * (self.t - self.y) ** 2)) / total if total else float("nan")

    @property
    def shown(self) -> slice:
        """The dots that are drawn."""
        return slice(None, None, -(-len(self.y) // POINTS))


def predicted(run: RunView, options: SplitOptions | None = None) -> Any:
    """Predictions against true values, with the line of equal values, R^2 and RMSE. None without a regression."""
    found = compared(run, options)
    if not found:
        return None
    fig, axes = style.panels(len(found), width=None if len(found) > 1 else 4.6, height=4.2)
    for ax, one in zip(axes, found, strict=True):
        y, t = one.y[one.shown], one.t[one.shown]
        ends = [min(y.min(), t.min()), max(y.max(), t.max())]
        ax.plot(ends, ends, ls="--", **FAINT)
        ax.plot(t, y, "o", color=style.COLOURS[0], ms=style.MARKER, alpha=DOT, mew=0)
        place = {"transform": ax.transAxes, "va": "top", "fontsize": style.TEXT}
        ax.text(0.04, 0.96, f"R² = {one.r2:.3f}\nRMSE = {one.rmse:.3g}", **place)
        style.finish(ax, one.title, f"true {one.name}", y=f"predicted {one.name}")
    return fig


def residuals(run: RunView, options: SplitOptions | None = None) -> Any:
    """true - predicted against the prediction, and how often each size occurs. None without a regression."""
    found = compared(run, options)
    if not found:
        return None
    fig, axes = style.panels(2 * len(found), width=4.2 * 2 * len(found))
    for (ax, histogram), one in zip(axes.reshape(-1, 2), found, strict=True):
        r = one.t - one.y
        ax.axhline(0, ls="--", **FAINT)
        ax.plot(one.y[one.shown], r[one.shown], "o", color=style.COLOURS[0], ms=style.MARKER, alpha=DOT, mew=0)
        style.finish(ax, one.title, f"predicted {one.name}", y=f"residual of {one.name}")
        histogram.hist(r, BINS, color=style.COLOURS[0])
        histogram.axvline(0, ls="--", color=style.FAINT, lw=1)
        style.finish(histogram, f"mean {r.mean():.2g}, deviation {r.std():.2g}", "true - predicted", y="examples")
    return fig


def compared(run: RunView, options: SplitOptions | None = None) -> list[Compared]:
    """A part for each column of the target, or one for all of many columns. Empty without a regression.

    Raises:
        ConfigError: the data have no such split.
    """
    model, data = run.model, run.data
    about = data.fields.get(str(model.head.target)) if model and data else None
    if not model or not data or about is None or about.kind != "real":
        return []
    split = (options and options.split) or held_out(data)
    if split is None:
        return []
    if split not in data.splits:
        raise ConfigError(f"figure.split: the data have no split '{split}'{did_you_mean(split, data.splits)}")
    y, t, weights, title = outputs(model, data, split)
    if y.size != t.size:  # the target is read by a loss that compares something else
        return []
    target = str(model.head.target)
    y, t = (run.scale.undo(target, np.asarray(a, float).reshape(t.shape)) for a in (y, t))
    w = np.broadcast_to(weights.reshape(weights.shape + (1,) * (t.ndim - weights.ndim)), t.shape)
    known = (w > 0) & np.isfinite(y)
    if not known.any():
        return []
    columns = _columns(target, about.features, t.shape)
    return [Compared(name, y[i][known[i]], t[i][known[i]], w[i][known[i]], title) for name, i in columns]


def _columns(target: str, names: Sequence[str], shape: Sequence[int]) -> Iterator[tuple[str, Any]]:
    """The name and the index of each column of a target; a target of many columns is a whole."""
    F = shape[-1] if len(shape) > 1 else 1
    if F == 1 or F > PANELS:
        yield names[0] if F == 1 and names else target, ...
        return
    for i in range(F):
        yield names[i] if names else f"{target}[{i}]", (..., i)
