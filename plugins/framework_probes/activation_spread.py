from __future__ import annotations

from dataclasses import dataclass

from framework import Array, Context, TrainingStep, option
from framework_probes._axes import flat, squares


@dataclass(frozen=True)
class ActivationSpread:
    """activation/<node>/mean = (1/K) sum_k y_k and activation/<node>/std = sqrt((1/K) sum_k (y_k - mean)^2), over all units
    and examples: compared from node to node, they show whether the initial weights preserve a signal through depth.

    Shapes: y (..., any core axes), K values per replica; mean and std (...). Glorot & Bengio (2010), He et al. (2015).
    After ten relu layers of width 256 the notes find std 0.604 with He, 0.0189 with Xavier and 2.08e10 with N(0, 1).
    """

    nodes: tuple[str, ...] | None = option(None, help="nodes; null: the activations")

    def __call__(self, seen: TrainingStep) -> dict[str, Array]:
        found = {}
        for node in self.nodes or seen.network.activations:
            found[f"activation/{node}/mean"], found[f"activation/{node}/std"] = self._spread(seen.values[node], seen.ctx)
        return found

    def _spread(self, y: Array, ctx: Context) -> tuple[Array, Array]:
        y = flat(y, ctx)
        mean = y.mean(-1)
        return mean, ctx.xp.sqrt(squares(y - mean[..., None]) / y.shape[-1])  # takes 2/3 of the time of y.std
