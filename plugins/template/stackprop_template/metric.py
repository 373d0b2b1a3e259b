from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from framework import Array, Context, hookimpl, option
from framework.hooks import Register


@dataclass(frozen=True)
class Within:
    """The fraction of examples whose outputs are all closer than `tolerance` to their targets.

    Shapes: y, t (..., [T,] N, F), mask (..., [T,] N), counts (..., 2): examples within, examples.
    """

    targets: ClassVar[tuple[str, ...]] = ("real",)
    lower_is_better: ClassVar[bool] = False
    tolerance: float = option(0.1, above=0, help="largest difference that counts as right")

    def count(self, y: Array, t: Array, ctx: Context, mask: Array | None = None) -> Array:
        largest = ctx.xp.abs(y - t).max(-1)
        weight = ctx.xp.ones_like(largest) if mask is None else mask + 0 * largest
        core = tuple(range(len(ctx.replicas) - largest.ndim, 0))
        return ctx.xp.stack([((largest < self.tolerance) * weight).sum(core), weight.sum(core)], -1)

    def value(self, counts: Array) -> Array:
        return counts[..., 0] / counts[..., 1]


@hookimpl
def register_metrics(register: Register) -> None:
    register("template_within", Within)
