"""What the Gumbel activations share: uniform random numbers that are never 0 or 1, and the temperature of a step."""

from __future__ import annotations

from framework import Array, Context

SMALLEST = 2.0**-25  # half a step of the 24 bits that are drawn: replaces 0


def open_uniform(x: Array, ctx: Context) -> Array:
    """U, 0 < U < 1, with the core shape and the dtype of x; the same values in float32 and float64."""
    return ctx.xp.maximum(ctx.uniform(x), SMALLEST)


def annealed(
    temperature: float | Array, rate: float | Array, lowest: float | Array, like: Array, ctx: Context
) -> float | Array:
    """max(lowest, temperature e^(-rate step)) in training and `lowest` in evaluation, if the rate is above 0; otherwise the
    temperature."""
    first = ctx.per(temperature, like)
    if isinstance(rate, int | float) and rate == 0:
        return first
    xp, r, least = ctx.xp, ctx.per(rate, like), ctx.per(lowest, like)
    if not ctx.train:
        return xp.where(xp.asarray(r, like.dtype) > 0, xp.asarray(least, like.dtype), xp.asarray(first, like.dtype))
    now = first * xp.exp(-(r * xp.asarray(ctx.step / 1, like.dtype)))
    return xp.where(xp.asarray(r, like.dtype) > 0, xp.maximum(now, least), xp.asarray(first, like.dtype))
