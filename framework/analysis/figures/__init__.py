"""The figures of a run, one file each; `sweep` draws those of many runs, `style` defines their look."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from framework.analysis.figures import (
    activations,
    confusion,
    curves,
    feature_maps,
    filters,
    gradient_by_lag,
    gradient_flow,
    learning,
    predicted,
)
from framework.analysis.figures.options import AlongTraining, ConfusionOptions, LearningOptions, NoOptions, SplitOptions
from framework.analysis.figures.run_view import RunView
from framework.analysis.style import save
from framework.core.blame import described
from framework.core.log import log
from framework.core.protocols import Figure
from framework.core.writing import inside

# name of the file -> function that draws it, and a description
FIGURES: dict[str, tuple[Callable[[RunView], Any], str]] = {
    "loss": (curves.loss, "Training and validation loss against the training step."),
    "gradient_norms": (curves.norms, "The norm of the gradient of every layer against the training step."),
    "gradient_flow": (
        gradient_flow.draw,
        "The gradient norm of each layer: a row per layer, steps as columns.",
    ),
    "gradient_by_lag": (gradient_by_lag.draw, "The gradient against the time lag, at the first and the last sample."),
    "activations": (activations.draw, "Dead units, saturated values and spread of the activations."),
    "confusion": (confusion.draw, "The confusion matrix: rows are true classes, columns are predictions."),
    "filters": (filters.draw, "The weights of the first layer: negative ones blue, positive ones red."),
    "feature_maps": (feature_maps.draw, "A few images, and what the first convolution makes of them."),
}

# The same for figures that only `stackprop figure` draws.
MORE: dict[str, tuple[Callable[..., Any], str]] = {
    "learning": (learning.of_run, "Learning curves: training and validation against the epoch."),
    "predicted": (predicted.predicted, "Predictions of a regression against true values, with R² and RMSE."),
    "residuals": (predicted.residuals, "Residuals of a regression against the prediction, and their histogram."),
}
OPTIONS: dict[str, type] = {
    **dict.fromkeys(("loss", "gradient_norms", "gradient_flow", "gradient_by_lag", "activations"), AlongTraining),
    "learning": LearningOptions,
    "confusion": ConfusionOptions,
    **dict.fromkeys(("predicted", "residuals"), SplitOptions),
}
OF_MODEL = ("confusion", "feature_maps", "predicted", "residuals")  # these need the network and the data


def figure(kind: str, run: RunView, options: Any) -> Any:
    """A figure of a run; None where there is nothing to draw.

    Args:
        options: as declared by `options_of`.
    """
    function: Callable[..., Any] = {**FIGURES, **MORE}[kind][0]
    return function(run) if options_of(kind) in (NoOptions, AlongTraining) else function(run, options)


def options_of(kind: str) -> type:
    """The class that declares the options of a figure."""
    return OPTIONS.get(kind, NoOptions)


def draw(run: RunView, more: Mapping[str, Figure] = MappingProxyType({})) -> list[Path]:
    """Draw all figures that apply to a run into `figures/` of its folder; an error in one is reported and does not affect
    the others.

    Args:
        more: figures of plugins, by name.
    """
    to, ours = inside(run.folder, "figures"), {name: each for name, (each, _) in FIGURES.items()}
    return [path for name, each in {**more, **ours}.items() if (path := _drawn(each, run, to / f"{name}.png"))]


def _drawn(figure: Callable[[RunView], Any], run: RunView, path: Path) -> Path | None:
    try:
        fig = figure(run)
        if fig is None:
            return None
        save(fig, path)
        return path
    except Exception as error:  # an error in a figure must not make a finished run fail
        log.error(f"{path} could not be drawn: {described(error)}")
        return None


__all__ = ["FIGURES", "MORE", "OF_MODEL", "RunView", "draw", "figure", "options_of"]
