"""Checks of callbacks, on the calls of short trainings: one that is recorded, one that is not, one that diverges, and one
that fails before its first step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from framework.core.callback import Callback as Base
from framework.core.callback import StartedRun, TrainingResult
from framework.testing.choices import check_choices
from framework.testing.purity import no_global_numbers, reported, works

COLUMNS = ("train/loss", "grad_norm/total")
Call = tuple[str, tuple[Any, ...]]  # the method and its arguments


def _start() -> Call:
    runs = [StartedRun(f"run {member}", Path(f"run-{member}"), {"seed": member}, 3) for member in (0, 1)]
    return "on_start", (runs,)


def _result(member: int, status: Any, steps: int) -> Call:
    weights = {"out": {"W": np.full((2, 1), 1.25)}}
    reason = "" if status == "finished" else "why"
    return "on_end", (TrainingResult(member, status, reason, steps, 1, weights, metrics={"val/loss": 0.5}),)


def _member(member: int) -> Iterator[Call]:
    """A training of four steps with probes and a validation."""
    yield "on_steps", (member, 1, COLUMNS, np.ones((3, 2)))
    yield "on_probe", (member, np.array([3]), ("dead/act", "saturated/act"), np.full((1, 2), 0.5))
    yield "on_probe_row", (member, 3, "gradient_by_lag/rnn", np.arange(4.0))
    yield "on_metrics", (member, 3, {"val/loss": 0.5, "val/accuracy": 0.5})
    yield "on_steps", (member, 4, COLUMNS, np.ones((1, 2)))
    yield _result(member, "finished", 4)
    yield "on_metrics", (member, 4, {"test/loss": 0.6})


def _plain(member: int) -> Iterator[Call]:
    """A training without probes and validation, which stops early."""
    yield "on_steps", (member, 1, (*COLUMNS, "penalty"), np.ones((2, 3)))
    yield _result(member, "stopped_early", 2)


def _diverged(member: int) -> Iterator[Call]:
    yield "on_steps", (member, 1, COLUMNS, np.array([[1.0, 2.0], [np.nan, np.inf]]))
    yield "on_metrics", (member, 2, {"val/loss": float("nan")})
    yield _result(member, "diverged", 2)


TRAININGS: dict[str, Callable[[], list[Call]]] = {
    "a recorded training": lambda: [_start(), *_member(0), *_member(1), ("on_finish", ())],
    "a training by framework.train, which calls no on_start": lambda: [*_member(0), *_plain(1), ("on_finish", ())],
    "a training that diverges": lambda: [_start(), *_diverged(0), *_diverged(1), ("on_finish", ())],
    "a training that fails before its first step": lambda: [_start(), ("on_finish", ())],
}


def check_calls(callback: Any) -> None:
    """Every call of a training works, with one row and several, with NaN, and without a start or a step; nothing that it is
    given is changed, and no global random state.

    Cannot see: what it does with the values, and calls from several threads.
    """
    for what, calls in TRAININGS.items():
        one = replace(callback)
        for name, given in calls():
            before = deepcopy(given)
            with no_global_numbers(), works(f"{what}: {name} fails"):
                getattr(one, name)(*given)
            assert _same(given, before), f"{what}: {name} changed what it was given"


def _same(a: Any, b: Any) -> bool:
    """Whether two values hold the same, arrays included."""
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b, equal_nan=True)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(value, b[key]) for key, value in a.items())
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, TrainingResult | StartedRun):
        return _same(vars(a), vars(b))
    return bool(a == b or (a != a and b != b))


def check_methods(callback: Any) -> None:
    """Every attribute that begins with on_ is a method that a training calls.

    Cannot see: misspelt names that begin otherwise.
    """
    for name in dir(callback):
        if name.startswith("on_"):
            assert hasattr(Base, name), f"no training calls '{name}'"
            assert callable(getattr(callback, name)), f"'{name}' is not a method"


SIMPLE = {"calls": check_calls}
CALLBACK = reported({**SIMPLE, "methods": check_methods, "choices": check_choices(SIMPLE)})
