"""The unit of a target: where a network learns a scaled target, metrics read the unit of the data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from framework.core.arrays import Array
from framework.core.context import Context
from framework.core.options import option
from framework.data.scaling import Scale
from framework.nn.heads import Head


@dataclass(frozen=True)
class Column:
    """a = a' width + shift for one column of a target; the networks of a stack may differ in both numbers."""

    shift: float | Array = option(0.0, stackable=True)
    width: float | Array = option(1.0, stackable=True)

    def __call__(self, a: Array, ctx: Context) -> Array:
        a = a.astype(np.float64)  # in float32, a shift of 1e9 would hide differences of 10
        return a * ctx.per(self.width, a) + ctx.per(self.shift, a)


@dataclass(frozen=True)
class Unit:
    """a = a' width + shift, column by column.

    Shapes: a', a (..., [T,] N, F) with F columns; any shape with one column.
    """

    columns: tuple[Column, ...]

    def __call__(self, a: Array, ctx: Context) -> Array:
        if len(self.columns) == 1:
            return self.columns[0](a, ctx)
        numbers = [(column.width, column.shift) for column in self.columns]
        if all(isinstance(number, float) for pair in numbers for number in pair):
            width, shift = (ctx.xp.asarray(np.array(values, np.float64)) for values in zip(*numbers, strict=True))
            whole: Array = a.astype(np.float64) * width + shift
            return whole
        joined: Array = ctx.xp.concatenate([column(a[..., k : k + 1], ctx) for k, column in enumerate(self.columns)], -1)
        return joined


def unit_of(head: Head, scale: Scale) -> Unit | None:
    """The unit of a head's target; None if the target is not scaled."""
    if head.target not in scale.shift or not isinstance(head.source, str):
        return None
    numbers = (np.ravel(each[str(head.target)]).tolist() for each in (scale.shift, scale.width))
    return Unit(tuple(Column(shift, width) for shift, width in zip(*numbers, strict=True)))
