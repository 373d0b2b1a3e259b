"""Optional parameters of a component's methods, found by their names."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Hashable
from typing import Any


def accepts_argument(component: Any, method: str, name: str) -> bool:
    """Whether a method of a component has a parameter of that name."""
    cls: Any = type(component)
    return name in _parameters(cls, method)


@functools.cache
def _parameters(component: Hashable, method: str) -> frozenset[str]:
    return frozenset(inspect.signature(getattr(component, method)).parameters)
