"""Noise for what has to choose: uniform numbers that never are 0 or 1."""

from __future__ import annotations

from framework import Array, Context

SMALLEST = 2.0**-25  # half a step of the 24 bits that are drawn: what was below the first step is put in its middle


def open_uniform(x: Array, ctx: Context) -> Array:
    """U, 0 < U < 1, with the core shape and the dtype of x; the same numbers in float32 as in float64."""
    return ctx.xp.maximum(ctx.uniform(x), SMALLEST)
