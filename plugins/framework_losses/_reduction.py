"""The reduction of the losses of single examples to one value per replica: value = sum of weights * losses."""

from __future__ import annotations

from math import prod
from typing import Any, Literal

from framework import Array, Context, Shape

Reduction = Literal["mean", "sum", "sum_over_time"]


def weights(shape: Shape, ctx: Context, mask: Array | None, reduction: Reduction, by: Array | None = None) -> Any:
    """The weight of each example's loss, for losses of that shape: a number, or an array (..., [T,] N).

    mean: 1 / n, n the number of examples (and steps), or mask / (sum of the mask), or of other weights `by`.
    sum: 1, or the mask.  sum_over_time: summed over T, mean over N.
    """
    lead = len(ctx.replicas)
    if reduction == "sum":
        return 1.0 if mask is None else mask
    if reduction == "sum_over_time":
        per_sequence = 1 / shape[-1]
        return per_sequence if mask is None else mask * per_sequence
    by = mask if by is None else by
    if by is None:
        return 1 / prod(shape[lead:])
    total = by.sum(axes(by, ctx), keepdims=True)
    return (1.0 if mask is None else mask) / ctx.xp.where(total > 0, total, ctx.xp.ones_like(total))


def weighted_sum(losses: Array, w: Any, ctx: Context) -> Array:
    """sum of w * losses over the core axes: (...)."""
    if isinstance(w, float):
        return losses.sum(axes(losses, ctx)) * w
    return (losses * w).sum(axes(losses, ctx))


def columns(w: Any) -> Any:
    """The weights, shaped to broadcast with (..., [T,] N, F)."""
    return w if isinstance(w, float) else w[..., None]


def axes(a: Array, ctx: Context) -> tuple[int, ...]:
    """The core axes of an array."""
    return tuple(range(len(ctx.replicas) - a.ndim, 0))


def target_columns(y: Array, t: Array) -> Array:
    """Targets (..., [T,] N) or (..., [T,] N, F) as numbers in the axes of y.

    Raises:
        ValueError: y and t differ in their last two axes.
    """
    t = t[..., None] if t.ndim < y.ndim else t
    same_axes(y, t)
    return t.astype(y.dtype, copy=False)


def same_axes(y: Array, t: Array) -> None:
    """Reject shapes that broadcasting would silently turn into N x N differences.

    Raises:
        ValueError: y and t differ in their last two axes.
    """
    if y.shape[-2:] != t.shape[-2:] or y.ndim != t.ndim:
        raise ValueError(f"the output {y.shape} and the target {t.shape} must have the same axes (..., [T,] N, F)")
