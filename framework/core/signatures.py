"""Optional methods of a component, and optional parameters of its methods, found by their names."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Hashable
from typing import Any


def has_method(component: Any, name: str) -> bool:
    """Whether a component has a method of that name, and not an option."""
    return callable(getattr(component, name, None))


def accepts_argument(component: Any, method: str, name: str) -> bool:
    """Whether a method of a component has a parameter of that name."""
    cls: Any = type(component)
    return name in _parameters(cls, method)


@functools.cache
def _parameters(component: Hashable, method: str) -> frozenset[str]:
    return frozenset(inspect.signature(getattr(component, method)).parameters)
