"""Counts of classes other than a negative one: those that are right, predicted ones, true ones."""

from __future__ import annotations

from framework import Array, Context


def count(negative: int, y: Array, t: Array, ctx: Context, mask: Array | None) -> Array:
    """Right, predicted and true classes other than `negative`: (..., 3), or NaN after a prediction of NaN that counts.

    Raises:
        ValueError: there is no such class.
    """
    xp, classes = ctx.xp, max(2, y.shape[-1])
    if negative >= classes:
        raise ValueError(f"negative: there are {classes} classes (got {negative}); allowed: 0 ... {classes - 1}")
    answer = y.argmax(-1) if y.shape[-1] > 1 else (y[..., 0] > 0.5).astype(t.dtype)
    guessed, true = answer != negative, t != negative
    right = guessed & (answer == t)
    weight = xp.ones_like(right, dtype=y.dtype) if mask is None else mask + 0 * right.astype(y.dtype)
    undefined = (y != y).any(-1) & (weight > 0)
    core = tuple(range(len(ctx.replicas) - right.ndim, 0))
    totals = xp.stack([(a * weight).sum(core) for a in (right, guessed, true | (right & ~right))], -1)
    return xp.where(undefined.any(core)[..., None], xp.full_like(totals, xp.nan), totals)


def ratio(a: Array, b: Array) -> Array:
    """a / b, and 0 where both are 0."""
    return a / (b + (b == 0))
