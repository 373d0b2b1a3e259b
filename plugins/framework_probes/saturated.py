from __future__ import annotations

from dataclasses import dataclass

from framework import Array, TrainingStep, option
from framework_probes._axes import core

ELSE = (-1.0, 1.0)  # of a named node without bounds, for example a recurrent layer with tanh


@dataclass(frozen=True)
class Saturated:
    """activation/<node>/saturated: the fraction of values (unit, example) with y > high - margin or y < low + margin, where
    [low, high] are the `bounds` of the activation: |y| > 0.99 for tanh, y < 0.01 or y > 0.99 for sigmoid. The slope there
    is below 0.02 (tanh) or 0.01 (sigmoid): the gradient nearly vanishes.

    Shapes: y (..., any core axes), fraction (...). Unless nodes are named, all activations with bounds are measured. A
    named node without bounds is compared with -1 and 1.
    """

    margin: float = option(0.01, above=0, below=0.5, help="distance from a bound that counts as saturated")
    nodes: tuple[str, ...] | None = option(None, help="nodes; null: the activations with bounds")

    def __call__(self, seen: TrainingStep) -> dict[str, Array]:
        layers = {node: seen.network.nodes[node].layer for node in self.nodes or seen.network.activations}
        bounds = {node: getattr(getattr(layer, "function", None), "bounds", None) for node, layer in layers.items()}
        wanted = {node: b or ELSE for node, b in bounds.items() if b or self.nodes}
        return {f"activation/{n}/saturated": self._fraction(seen.values[n], *b, seen) for n, b in wanted.items()}

    def _fraction(self, y: Array, low: float, high: float, seen: TrainingStep) -> Array:
        beyond = (y > high - self.margin) | (y < low + self.margin)
        return beyond.mean(core(y, seen.ctx), dtype=y.dtype)
