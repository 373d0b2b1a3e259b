"""The axes of a value: those of its units and those of its examples."""

from __future__ import annotations

from framework import Array, Context


def core(a: Array, ctx: Context) -> tuple[int, ...]:
    """All core axes."""
    return tuple(range(len(ctx.replicas) - a.ndim, 0))


def examples(a: Array, ctx: Context) -> tuple[int, ...]:
    """The axes over which a unit repeats: N of (..., N, F), T and N of (..., T, N, F), N, H and W of (..., N, C, H, W)."""
    axes = core(a, ctx)
    unit = -3 if len(axes) == 4 else -1
    return tuple(axis for axis in axes if axis != unit)


def flat(a: Array, ctx: Context) -> Array:
    """The core axes in one: (..., K)."""
    return a.reshape(*a.shape[: len(ctx.replicas)], -1)


def squares(a: Array) -> Array:
    """sum_k a_k^2 of (..., K): one dot product per replica, without a temporary."""
    return (a[..., None, :] @ a[..., None])[..., 0, 0]
