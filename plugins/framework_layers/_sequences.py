"""Sequences over time, and the letters at each step of one: both as sequences (..., T, N, F)."""

from __future__ import annotations

from framework import Array, Context


def along_time(x: Array, ctx: Context) -> Array:
    """Sequences (..., T, N, F) unchanged; letters (..., T, N, L, F) as sequences of letters (..., L, T N, F)."""
    if x.ndim == len(ctx.replicas) + 3:
        return x
    return x.reshape(*x.shape[:-4], -1, *x.shape[-2:]).swapaxes(-3, -2)


def as_before(y: Array, like: Array, ctx: Context) -> Array:
    """The inverse of `along_time`, with the T and N of `like`: (..., L, T N, F) as (..., T, N, L, F)."""
    if like.ndim == len(ctx.replicas) + 3:
        return y
    letters = y.swapaxes(-3, -2)
    return letters.reshape(*letters.shape[:-3], *like.shape[-4:-2], *letters.shape[-2:])


def steps_that_count(name: str | None, x: Array, ctx: Context) -> Array | None:
    """True where a step, or a letter, of `along_time` counts: (..., T, N, 1); None without a mask.

    After a convolution of whole windows x has fewer steps than the mask: then a step counts if all steps of its window do.

    Raises:
        ValueError: the mask is of other sequences.
    """
    mask = None if name is None else ctx.mask(name)
    if mask is None:
        return None
    lead = len(ctx.replicas)
    counts = along_time(mask[..., None] > 0, ctx)
    steps = x.shape[-3] if x.ndim == lead + 3 else x.shape[-2]
    shown = counts.shape[-3] - steps
    if mask.ndim != x.ndim - 1 or shown < 0:
        raise ValueError(f"layer '{ctx.name}': the mask '{name}' has {mask.shape[lead:]}, but x has {x.shape[lead:]}")
    whole = counts[..., :steps, :, :]
    for i in range(1, shown + 1):
        whole = whole & counts[..., i : i + steps, :, :]
    return whole
