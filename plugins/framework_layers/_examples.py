"""The features of an example in one axis, also those of an image, and tensors that belong to them."""

from __future__ import annotations

import math
from typing import Any

from framework import Array, Context, Shape


def features(name: str, in_shape: Shape) -> int:
    """How many features an example has, F of (F,) or (T, F), C H W of an image.

    Raises:
        ValueError: the layer `name` reads ids, or a single feature.
    """
    if len(in_shape) not in (1, 2, 3) or in_shape[-1] is None or (len(in_shape) == 3 and in_shape[0] is None):
        raise ValueError(f"{name} needs (F,), (T, F) or (C, H, W) (got {in_shape})")
    n = math.prod(in_shape if len(in_shape) == 3 else in_shape[-1:])
    if n == 1:
        raise ValueError(f"{name} needs two features or more; a single one has no scale to divide by")
    return n


def in_one_axis(x: Array, ctx: Context) -> Array:
    """Images (..., N, C, H, W) as (..., N, C H W); features and sequences unchanged."""
    return x.reshape(*x.shape[:-3], math.prod(x.shape[-3:])) if x.ndim - len(ctx.replicas) == 4 else x


def meeting(t: Array, x: Array, ctx: Context) -> Array:
    """A tensor (..., 1, F), shaped to broadcast with x (..., [T,] N, F)."""
    return t if x.ndim - len(ctx.replicas) == 2 else t[..., None, :, :]


def as_tensor(a: Array, ctx: Context) -> Array:
    """The sum over examples and steps, (..., 1, F) of (..., [T,] N, F)."""
    total: Any = a.sum(tuple(range(len(ctx.replicas) - a.ndim, -1)), keepdims=True)
    return total if a.ndim - len(ctx.replicas) == 2 else total[..., 0, :, :]
