"""Uniform random numbers that are never 0 or 1, for the Gumbel activations."""

from __future__ import annotations

from framework import Array, Context

SMALLEST = 2.0**-25  # half a step of the 24 bits that are drawn: replaces 0


def open_uniform(x: Array, ctx: Context) -> Array:
    """U, 0 < U < 1, with the core shape and the dtype of x; the same values in float32 and float64."""
    return ctx.xp.maximum(ctx.uniform(x), SMALLEST)
