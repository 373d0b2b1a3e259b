"""Checks that a component leaves no state behind, that its declaration is valid, and how a crash is reported."""

from __future__ import annotations

import functools
import random
import traceback
import unittest
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import is_dataclass
from typing import Any

import numpy as np

from framework.core.declarations import problems
from framework.testing.double import HostDeviceMixError

Checks = Mapping[str, Callable[..., None]]
seeded_rng = np.random.default_rng  # the generators of the checks themselves, which `generators` does not note


@contextmanager
def untouched(component: Any) -> Iterator[None]:
    """Reject code that saves state on the component, or draws from the global random state."""
    kept = _remembered(component)
    with no_global_numbers():
        yield
    now = _remembered(component)
    changed = [name for name in kept | now if kept.get(name) != now.get(name)]
    assert not changed, f"state was saved on the object: {', '.join(changed)}; use the cache or the state for it"


@contextmanager
def no_global_numbers() -> Iterator[None]:
    """Reject code that draws from the global random state, or seeds it."""
    numpys, pythons = repr(np.random.get_state()), random.getstate()
    yield
    assert repr(np.random.get_state()) == numpys, "the global random state of NumPy was used"
    assert random.getstate() == pythons, "the global random state of Python was used"


def _remembered(component: Any) -> dict[str, Any]:
    """Everything that an object and the components in it hold, in comparable form."""
    return {
        name: _remembered(value) if is_dataclass(value) else repr(value)
        for name, value in getattr(component, "__dict__", {}).items()
    }


@contextmanager
def generators() -> Iterator[list[str]]:
    """The seeds of all generators that the code makes by `np.random.default_rng` or `np.random.RandomState`."""
    made: list[str] = []
    default_rng, state = np.random.default_rng, np.random.RandomState

    def note(seed: Any = None) -> None:
        made.append("the time" if seed is None else repr(seed))

    def noted(seed: Any = None) -> np.random.Generator:
        note(seed)
        return default_rng(seed)

    class NotedState(np.random.RandomState):
        def __init__(self, seed: Any = None) -> None:
            note(seed)
            super().__init__(seed)

    try:
        np.random.default_rng, np.random.RandomState = noted, NotedState  # type: ignore[misc]
        yield made
    finally:
        np.random.default_rng, np.random.RandomState = default_rng, state  # type: ignore[misc]


def own_numbers(run: Callable[[int], Any], given: str) -> None:
    """Reject code that draws random numbers, but the same ones whatever it is given to draw from.

    Args:
        run: 0 or 1 -> arrays, with random numbers of two different seeds.
        given: where the numbers should come from.
    """
    with generators() as made:
        first = run(0)
    if made:
        second = run(1)
        same = all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
        assert not same, f"its random numbers come from a generator of its own (seed: {made[0]}), not from {given}"


@contextmanager
def on_device() -> Iterator[None]:
    """Report a mix of host and device arrays as an error of the component, not of the check."""
    try:
        yield
    except HostDeviceMixError as error:
        raise AssertionError(f"it would not run on a GPU: {error}") from error


@contextmanager
def works(when: str) -> Iterator[None]:
    """Report any error of the component as a failure, with what the check was doing."""
    try:
        yield
    except (AssertionError, unittest.SkipTest):
        raise
    except Exception as error:
        raise AssertionError(f"{when}: {_crash(error)}") from error


def reported(checks: Checks) -> Checks:
    """The same checks; an error that the component raises fails them with its type, its text and its line."""

    def wrapped(check: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(check)
        def run(*args: Any) -> None:
            try:
                check(*args)
            except (AssertionError, unittest.SkipTest):
                raise
            except HostDeviceMixError as error:
                raise AssertionError(f"it would not run on a GPU: {error}") from error
            except Exception as error:
                raise AssertionError(f"it raises {_crash(error)}") from error

        return run

    return {name: wrapped(check) for name, check in checks.items()}


def _crash(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = last.filename.replace("\\", "/").rsplit("/", 1)[-1]
    return f"{type(error).__name__}: {str(error).strip()} ({place}, line {last.lineno})"


def refuses(error: BaseException) -> bool:
    """Whether a component rejects what it was given by raising a ValueError itself, which is its right."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return isinstance(error, ValueError) and (last.line or "").lstrip().startswith("raise ")


def check_declaration(component: Any, *_: Any) -> None:
    """A frozen dataclass with a docstring; a configuration can set every option, and every default fits its own type.

    Cannot see: whether the docstring is right.
    """
    cls = type(component)
    assert is_dataclass(cls), f"{cls.__name__} is not a dataclass"
    assert cls.__dataclass_params__.frozen, f"{cls.__name__} is not frozen"  # type: ignore[attr-defined]
    automatic = f"{cls.__name__}("
    assert not (cls.__doc__ or automatic).startswith(automatic), "the docstring is missing; `describe` shows it"
    found = problems(cls)
    assert not found, "; ".join(found)
