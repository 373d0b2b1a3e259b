"""Quotients of counts."""

from __future__ import annotations

from framework import Array


def ratio(a: Array, b: Array) -> Array:
    """a / b, and 0 where both are 0."""
    return a / (b + (b == 0))
