"""Forecasts: a network that predicts the next values of a series reads its own predictions, and so continues the series."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from framework.core.errors import ConfigError, DataError
from framework.inference.model import Model


def forecast(model: Model, history: np.ndarray, steps: int, future: np.ndarray | None = None) -> np.ndarray:
    """The next `steps` values of a series, (steps, W) in the unit of the data: each is predicted from the values before it,
    of which the latest are predictions themselves.

    A network with states reads the end of the series once, a window that ends at the first known input (all of the series
    if it was trained with stateful windows), and carries its states from there on. Any other network reads the latest window
    at every step.

    Args:
        model: a network trained to predict the first W columns of a series from all of them, `horizon` steps ahead.
        history: the known series (n, F), or (n,) for F = 1.
        future: the later values of the columns that are not predicted, (m, F - W).

    Raises:
        ConfigError: the network does not predict the next values of its input, or leaves the range of numbers.
        DataError: the series is too short, or later values are missing.
    """
    first, W, horizon = _source(model), _width(model), horizon_of(model)
    series = np.array(history, float).reshape(len(history), -1)
    others = series.shape[1] - W
    given = np.asarray([] if future is None else future, float).reshape(-1, others) if others else np.zeros((steps, 0))
    needed = max(0, steps - horizon)
    if steps < 1:
        raise ConfigError(f"steps: {steps} is not allowed; at least 1")
    if len(given) < needed:
        raise DataError(
            f"{steps} steps need {needed} later values of the other columns of '{first}' (got {len(given)}); they are not "
            f"predicted. Without them at most {len(given) + horizon} steps are possible"
        )
    if len(series) < horizon:
        raise DataError(f"the series has {len(series)} values; at least {horizon} are needed")
    answer = _carried(model, first, series, horizon) if carries(model) else _windowed(model, first, series, horizon)
    next(answer)
    found: list[np.ndarray] = []
    for i in range(steps):
        row = np.concatenate([found[i - horizon], given[i - horizon]]) if i >= horizon else None
        found.append(_finite(answer.send(row), i))
    return np.stack(found)


def _finite(y: np.ndarray, i: int) -> np.ndarray:
    if not np.isfinite(y).all():
        raise ConfigError(f"the forecast is no longer a finite number at step {i + 1}: the network's own predictions grow")
    return y


def _carried(model: Model, first: str, series: np.ndarray, horizon: int) -> Any:
    """A generator of predictions: it receives the next row of the series, or None while that is known."""
    kept = len(series) if model.about.stateful else _length(model, first) + horizon - 1
    y, carry = _step(model, first, series[-kept:], {})
    known = iter(y[-horizon:])
    row = yield
    while True:
        if row is None:
            row = yield next(known)
        else:
            y, carry = _step(model, first, row[None], carry)
            row = yield y[-1]


def _windowed(model: Model, first: str, series: np.ndarray, horizon: int) -> Any:
    """As `_carried`, for a network that reads whole windows."""
    length = _length(model, first)
    end = len(series) - horizon
    if end + 1 < length:
        raise DataError(f"the series has {len(series)} values; the network needs {length + horizon - 1}")
    row = yield
    while True:
        series = series if row is None else np.concatenate([series, row[None]])
        end += 1
        window = series[end - length : end]
        row = yield _step(model, first, window, {})[0][-1]


def _step(model: Model, first: str, rows: np.ndarray, carry: Mapping[str, Any]) -> tuple[np.ndarray, Mapping[str, Any]]:
    """Predictions (T, W) or (1, W) for rows (T, F), and the states after them."""
    ((values, caches, ctx),) = model.passes({first: rows[None]}, carry)
    y = model.scale.undo(str(model.head.target), np.asarray(model.head.prediction(values, ctx)))
    if y.shape[-1] != _width(model):
        raise ConfigError(f"the network predicts {y.shape[-1]} numbers for each value; a forecast needs one")
    return y.reshape(-1, y.shape[-1]), model.network.carry(caches)


def carries(model: Model) -> bool:
    """Whether a network can be run step by step: it predicts at every step, and remembers earlier steps in a state."""
    if not model.about.fields[str(model.head.target)].time_major:
        return False
    layers = [node.layer for node in model.network.nodes.values()]
    return not any(getattr(layer, "whole_sequences", False) or getattr(layer, "reverse", False) for layer in layers)


def horizon_of(model: Model) -> int:
    """The number of steps from an input to its target."""
    return int(getattr(model.about.encoding, "horizon", 1))


def _length(model: Model, first: str) -> int:
    return int(model.about.splits["train"][first].shape[1])


def _width(model: Model) -> int:
    return int(model.about.splits["train"][str(model.head.target)].shape[-1])


def _source(model: Model) -> str:
    """The field that holds the series.

    Raises:
        ConfigError: the network does not continue it.
    """
    fields, head = model.about.fields, model.head
    first = next(iter(fields))
    target = fields.get(str(head.target))
    known = first in model.about.forecast or hasattr(model.about.encoding, "history")
    if not known or fields[first].axes != "NTF" or target is None or target.kind != "real":
        what = " (symbols are continued by stackprop generate)" if fields[first].kind == "id" else ""
        raise ConfigError(f"the network does not predict the next values of a series of numbers{what}; dataset=series does")
    read = {s for node in model.network.nodes.values() for s in node.sources} & set(fields)
    if read - {first}:
        raise ConfigError(f"besides the series '{first}' the network reads {', '.join(sorted(read - {first}))}")
    return first
