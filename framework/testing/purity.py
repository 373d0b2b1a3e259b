"""Checks that a component leaves no state behind, and that its declaration is valid."""

from __future__ import annotations

import random
import typing
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from framework.testing.double import HostDeviceMixError
from framework.testing.stacks import inside


@contextmanager
def untouched(component: Any) -> Iterator[None]:
    """Reject code that saves state on the component, or draws from the global random state."""
    kept, numpys, pythons = _remembered(component), repr(np.random.get_state()), random.getstate()
    yield
    now = _remembered(component)
    changed = [name for name in kept | now if kept.get(name) != now.get(name)]
    assert not changed, f"state was saved on the object: {', '.join(changed)}; use the cache or the state for it"
    assert repr(np.random.get_state()) == numpys, "the global random state of NumPy was used"
    assert random.getstate() == pythons, "the global random state of Python was used"


def _remembered(component: Any) -> dict[str, Any]:
    """Everything that an object and the components in it hold, in comparable form."""
    return {
        name: _remembered(value) if is_dataclass(value) else repr(value)
        for name, value in getattr(component, "__dict__", {}).items()
    }


@contextmanager
def on_device() -> Iterator[None]:
    """Report a mix of host and device arrays as an error of the component, not of the check."""
    try:
        yield
    except HostDeviceMixError as error:
        raise AssertionError(f"it would not run on a GPU: {error}") from error


def check_declaration(component: Any, *_: Any) -> None:
    """A frozen dataclass with a docstring, whose types can be read and whose defaults lie inside their own bounds."""
    cls = type(component)
    assert is_dataclass(cls), f"{cls.__name__} is not a dataclass"
    assert cls.__dataclass_params__.frozen, f"{cls.__name__} is not frozen"  # type: ignore[attr-defined]
    automatic = f"{cls.__name__}("
    assert not (cls.__doc__ or automatic).startswith(automatic), "the docstring is missing; `describe` shows it"
    try:
        typing.get_type_hints(cls)
    except NameError as error:
        raise AssertionError(f"the type of an option cannot be resolved at runtime: {error}") from error
    for f in fields(cls):
        if isinstance(f.default, int | float):
            assert inside(f, f.default), f"the default of '{f.name}', {f.default}, lies outside its own bounds"
