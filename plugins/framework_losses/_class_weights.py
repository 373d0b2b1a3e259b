"""Weights of classes."""

from __future__ import annotations

import numpy as np

from framework import Array, Context

Weights = tuple[float, ...] | None


def checked(weights: Weights, name: str) -> None:
    """Check that weights are usable.

    Raises:
        ValueError: one is negative or not finite, or all are 0.
    """
    if weights is not None and not (all(0 <= w < float("inf") for w in weights) and any(weights)):
        raise ValueError(f"{name}: weights are numbers from 0 on, and not all 0 (got {list(weights)})")


def check_number(weights: Weights, name: str, what: str, K: int) -> None:
    """Check that there is a weight for each class or column.

    Raises:
        ValueError: there is not.
    """
    if weights is not None and len(weights) != K:
        raise ValueError(f"{name}: there are {K} {what} (got {len(weights)} weights); give one for each")


def of_classes(weights: tuple[float, ...], t: Array, ctx: Context) -> Array:
    """The weight of each example (..., [T,] N) by its class, or by its probabilities of classes (..., [T,] N, K)."""
    if t.dtype.kind in "iub":
        return ctx.xp.asarray(np.array(weights))[t]  # type: ignore[no-any-return]
    return (t * ctx.xp.asarray(np.array(weights), t.dtype)).sum(-1)  # type: ignore[no-any-return]
