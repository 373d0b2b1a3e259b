"""The tensors of w, for optimizers that treat each of them as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from framework import Array, Context


class Part(NamedTuple):
    """The columns of a tensor, and its shape."""

    start: int
    stop: int
    shape: tuple[int, ...]


def tensors(w: Array, ctx: Context, prefix: str) -> Iterator[Part]:
    """The tensors whose names start with a prefix; without tensors in ctx, w is one."""
    if not ctx.tensors:
        yield Part(0, w.shape[-1], (1, w.shape[-1]))
    for t in ctx.tensors:
        if t.name.startswith(prefix):
            yield Part(t.start, t.stop, t.shape)


def norm(a: Array, part: Part, ctx: Context) -> Array:
    """The Euclidean norm (..., 1) of some columns."""
    values = a[..., part.start : part.stop]
    return ctx.xp.sqrt((values[..., None, :] @ values[..., None])[..., 0])


def of(value: Any, part: Part) -> Any:
    """The value of an option for a tensor: with parameter groups the options have a number for each column."""
    is_wide = getattr(value, "ndim", 0) > 0 and value.shape[-1] > 1
    return value[..., part.start : part.start + 1] if is_wide else value


def quotient(a: Array, b: Array, ctx: Context) -> Array:
    """a / b, and 1 where one of them is 0."""
    both = (a > 0) & (b > 0)
    one = ctx.xp.ones_like(a)
    return ctx.xp.where(both, a / ctx.xp.where(both, b, one), one)
