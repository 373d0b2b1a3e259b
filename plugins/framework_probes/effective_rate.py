from __future__ import annotations

from dataclasses import dataclass

from framework import Array, TrainingStep, option
from framework_probes._axes import flat, squares


@dataclass(frozen=True)
class EffectiveRate:
    """effective_rate/<layer> = |w_after - w| / |g|: the learning rate with which plain gradient descent would have taken a
    step of this length. For sgd it is lr itself; for adagrad after t gradients of size 1, lr / sqrt(t).

    Shapes: w, w_after, g all parameters (..., K) of a layer (its W and its b), before and after the step, and the
    gradient of the step: of loss plus penalty, after clipping. The norms are Euclidean; rate (...) is NaN where g is 0.
    """

    nodes: tuple[str, ...] | None = option(None, help="layers; null: all with trained tensors")

    def __call__(self, seen: TrainingStep) -> dict[str, Array]:
        for node in self.nodes or ():
            if node not in seen.arena.trained:
                raise ValueError(f"probe effective_rate: layer '{node}' has no trained tensors")
        steps = seen.arena.norms(seen.after - seen.w, seen.ctx.xp)
        layers = {layer: i for i, layer in enumerate(seen.arena.layers, 1)}  # 0 is the whole network
        return {f"effective_rate/{n}": steps[..., layers[n]] / self._norm(seen, n) for n in self.nodes or layers}

    def _norm(self, seen: TrainingStep, node: str) -> Array:
        return seen.ctx.xp.sqrt(sum(squares(flat(g, seen.ctx)) for g in seen.g[node].values()))
