from __future__ import annotations

from dataclasses import dataclass

from framework import Array, TrainingStep, hookimpl
from framework.hooks import Register


@dataclass(frozen=True)
class LargestGradient:
    """largest_gradient/<layer> = max |g| over all trained tensors of a layer.

    Shapes: g (..., i, o) for each tensor; each reading (...).
    """

    def __call__(self, seen: TrainingStep) -> dict[str, Array]:
        xp, found = seen.ctx.xp, {}
        for layer, tensors in seen.g.items():
            largest = [xp.abs(g).max((-2, -1)) for g in tensors.values()]
            found[f"largest_gradient/{layer}"] = xp.stack(largest, -1).max(-1)
        return found


@hookimpl
def register_probes(register: Register) -> None:
    register("template_largest_gradient", LargestGradient)
