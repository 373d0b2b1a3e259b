"""Checks of callbacks, on one short training of two networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from framework.core.callback import Callback as Base
from framework.core.callback import StartedRun, TrainingResult

COLUMNS = ("train/loss", "grad_norm/total")


def _train(callback: Any) -> list[np.ndarray]:
    """Call every method as a training of three steps does; return the arrays that the callback was given."""
    rows, probed, lag = np.ones((3, 2)), np.full((1, 2), 0.5), np.arange(4.0)
    weights = {"out": {"W": np.ones((2, 1))}}
    callback.on_start([StartedRun(f"run {member}", Path(f"run-{member}"), {"seed": member}, 3) for member in (0, 1)])
    for member in (0, 1):
        callback.on_steps(member, 1, COLUMNS, rows)
        callback.on_probe(member, np.array([3]), ("dead/act", "saturated/act"), probed)
        callback.on_probe_row(member, 3, "gradient_by_lag/rnn", lag)
        callback.on_metrics(member, 3, {"val/loss": 0.5})
        callback.on_end(TrainingResult(member, "finished", "", 3, 1, weights, metrics={"val/loss": 0.5}))
        callback.on_metrics(member, 3, {"test/loss": 0.6})
    callback.on_finish()
    return [rows, probed, lag, weights["out"]["W"]]


def check_calls(callback: Any) -> None:
    """Every call of a training of two networks works, and nothing that it is given is changed."""
    expected = [np.ones((3, 2)), np.full((1, 2), 0.5), np.arange(4.0), np.ones((2, 1))]
    for found, was in zip(_train(callback), expected, strict=True):
        assert np.array_equal(found, was), "it changed an array that it was given"


def check_methods(callback: Any) -> None:
    """Every method that begins with on_ is one that a training calls."""
    for name in dir(callback):
        if name.startswith("on_"):
            assert hasattr(Base, name), f"no training calls '{name}'"


CALLBACK: Mapping[str, Callable[[Any], None]] = {"calls": check_calls, "methods": check_methods}
