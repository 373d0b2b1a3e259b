from __future__ import annotations

from dataclasses import dataclass

from framework import Array, TrainingStep, option


@dataclass(frozen=True)
class UpdateRatio:
    """update_ratio/<layer> = |w_after - w| / |w|, Euclidean norms over all trained tensors of a layer (its W and its b):
    lr |g| / |w| for sgd. About 1e-3 is a common rule of thumb; much larger steps are unstable, much smaller ones hardly
    learn.

    Shapes: w, w_after (..., P) before and after the step, projections and proximal steps included; ratio (...), infinite
    where all weights of a layer are 0.
    """

    nodes: tuple[str, ...] | None = option(None, help="layers; null: all with trained tensors")

    def __call__(self, seen: TrainingStep) -> dict[str, Array]:
        xp, arena = seen.ctx.xp, seen.arena
        ratios = arena.norms(seen.after - seen.w, xp) / arena.norms(seen.w, xp)
        layers = {layer: i for i, layer in enumerate(arena.layers, 1)}  # 0 is the whole network
        for node in self.nodes or ():
            if node not in layers:
                raise ValueError(f"probe update_ratio: layer '{node}' has no trained tensors")
        return {f"update_ratio/{layer}": ratios[..., layers[layer]] for layer in self.nodes or layers}
