from __future__ import annotations

from dataclasses import dataclass

from framework import Array, TrainingStep, option
from framework_probes._axes import flat, squares


@dataclass(frozen=True)
class Weights:
    """weights/<layer>/mean = (1/K) sum_k W_k, /norm = sqrt(sum_k W_k^2), /zero: the fraction with W_k = 0 exactly, and
    /small: the fraction with |W_k| < `margin`, including those that are 0.

    Shapes: W all K parameters (..., K) of a layer's trained tensors whose name begins with `tensors`, after the step with
        all
    that follows it (projections, proximal steps); values (...). A penalty moves weights towards 0 (norm, small); only some
    penalties make them 0 (zero).
    """

    margin: float = option(1e-3, above=0, help="bound for small weights")
    tensors: str = option("W", help="the tensors whose name starts like this")
    nodes: tuple[str, ...] | None = option(None, help="layers; null: all with such tensors")

    def __call__(self, seen: TrainingStep) -> dict[str, Array]:
        found, xp = {}, seen.ctx.xp
        for layer, W in self._layers(seen).items():
            size = xp.abs(W)
            found[f"weights/{layer}/mean"] = W.mean(-1)
            found[f"weights/{layer}/norm"] = xp.sqrt(squares(W))
            found[f"weights/{layer}/zero"] = (size == 0).mean(-1, dtype=W.dtype)
            found[f"weights/{layer}/small"] = (size < self.margin).mean(-1, dtype=W.dtype)
        return found

    def _layers(self, seen: TrainingStep) -> dict[str, Array]:
        parts = {
            layer: [flat(a, seen.ctx) for name, a in tensors.items() if name.startswith(self.tensors)]
            for layer, tensors in seen.arena.views(seen.after).items()
        }
        for node in self.nodes or ():
            if not parts.get(node):
                raise ValueError(f"probe weights: layer '{node}' has no trained tensors '{self.tensors}...'")
        return {layer: seen.ctx.xp.concatenate(parts[layer], -1) for layer in self.nodes or parts if parts[layer]}
