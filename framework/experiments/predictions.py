"""Predictions as rows of a table: for `stackprop predict`, and for the held-out examples of a fold."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from framework.core.spreadsheet import spreadsheet_safe
from framework.core.types import Params
from framework.core.writing import replaced_text
from framework.data.dataset import Data
from framework.data.scaling import AS_SCALED, Scale
from framework.experiments.experiment import Experiment
from framework.inference.model import Model
from framework.tracking.run_dir import HELD_OUT

UNSCALED = 1e3  # the width of a target without a scale: up to 1000 it has 6 digits


def number(value: float, width: float = UNSCALED) -> str:
    """A number with 6 digits, and more where it is large beside its width, which is resolved to 6 digits."""
    ratio = abs(value) / width
    digits = 6 + math.ceil(math.log10(ratio)) if 1 < ratio < math.inf else 6
    return f"{value:.{min(digits, 15)}g}"


def _numbers(values: np.ndarray, target: str | None, scale: Scale) -> list[str]:
    """The columns of a target, or its predictions."""
    widths = np.broadcast_to(scale.width.get(str(target), UNSCALED), values.shape)
    return [number(float(value), float(width)) for value, width in zip(values, widths, strict=True)]


def rows(model: Model, y: np.ndarray, scale: Scale | None = None) -> Iterator[list[str]]:
    """A header, and a row per prediction.

    Args:
        scale: that of the targets, in whose unit the predictions are; None: that of the model.
    """
    y = y.reshape(-1, y.shape[-1])
    target = model.about.fields[str(model.head.target)] if model.head.target else None
    if target is not None and target.kind == "label" and target.axes.endswith("F") and target.names:
        yield [f"p({name})" for name in target.names]
        yield from ([f"{value:.6g}" for value in row] for row in y)
        return
    if target is None or target.kind != "label" or y.shape[-1] != target.size:
        known = target.features if target is not None and len(target.features) == y.shape[-1] else ()
        yield list(map(spreadsheet_safe, known)) or ([f"y{i}" for i in range(y.shape[-1])] if y.shape[-1] > 1 else ["y"])
        yield from (_numbers(row, model.head.target, scale or model.scale) for row in y)
        return
    names = model.about.names_of(model.head.target)
    yield ["class", *(f"p({name})" for name in names)]
    yield from ([spreadsheet_safe(names[int(row.argmax())]), *(f"{value:.6g}" for value in row)] for row in y)


def write_held_out(folder: Path, experiment: Experiment, weights: Mapping[str, Params]) -> Path | None:
    """Write `held_out.csv`: the predictions for the examples of a fold, with their number in the data set and their target.
    None for targets at every step of a sequence, and without a target."""
    data, scale = experiment.data, experiment.scale
    model = Model.of(experiment.learner, weights, data, AS_SCALED)
    target = model.head.target
    if target is None or data.fields[target].time_major or "val" not in data.rows:
        return None
    place = data.rows["val"]
    chosen = np.argsort(place)[(place < 0).sum() :]  # in the order of the data set, without examples of other folds
    fields = {name: a[chosen] for name, a in data.splits["val"].items()}
    y = model.predict({name: a for name, a in fields.items() if name not in model.targets})
    header, *predicted = rows(model, scale.undo(target, y), scale)
    path = folder / HELD_OUT
    with replaced_text(path) as file:
        writer = csv.writer(file)
        writer.writerow(["row", *_names(data, target), *header])
        true = _shown(data, target, scale.undo(target, fields[target]), scale)
        writer.writerows([row, *t, *p] for row, t, p in zip(place[chosen].tolist(), true, predicted, strict=True))
    return path


def _names(data: Data, target: str) -> list[str]:
    width = data.splits["train"][target].reshape(len(data.splits["train"][target]), -1).shape[1]
    if width == 1:
        return ["target"]
    names = data.names_of(target)
    return [f"target {name}" for name in (names if len(names) == width else range(width))]


def _shown(data: Data, target: str, t: np.ndarray, scale: Scale) -> Iterator[list[str]]:
    """Targets as cells: the name of a class, or numbers."""
    names = data.names_of(target) if data.fields[target].axes == "N" and data.fields[target].kind == "label" else []
    for row in t.reshape(len(t), -1):
        yield [spreadsheet_safe(names[int(row[0])])] if names else _numbers(row, target, scale)
