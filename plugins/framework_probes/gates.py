from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from framework import Array, TrainingStep, option
from framework_probes._axes import core

GATES = ("i", "f", "o", "r", "z")  # names of gates in the traces of cells


@dataclass(frozen=True)
class Gates:
    """gates/<layer>/<gate>: the fraction of values (step, example, unit) of a gate that are nearly 0 or nearly 1:
    y < margin or y > 1 - margin.

    Shapes: y (..., T, N, units), fraction (...). The gates are those in a recurrent layer's trace: i, f and o of an
    lstm, r and z of a gru. A cell that draws numbers in training (g2_lstm) runs once more without them, as in
    evaluation: noise alone would move its gates. Padded steps count. 0.1 is the margin of Li et al. (2018).
    """

    sequences: ClassVar[bool] = True
    reads: ClassVar[str] = "cell"  # the member of the layers that it measures
    margin: float = option(0.1, above=0, below=0.5, help="distance from 0 or 1 that counts as nearly")
    nodes: tuple[str, ...] | None = option(None, help="recurrent layers; null: those with gates")

    def __call__(self, seen: TrainingStep) -> dict[str, Array]:
        found = {}
        for name in self.nodes or seen.network.nodes:
            for gate, y in self._shown(name, seen).items():
                beyond = (y < self.margin) | (y > 1 - self.margin)
                found[f"gates/{name}/{gate}"] = beyond.mean(core(y, seen.ctx), dtype=y.dtype)
        return found

    def _shown(self, name: str, seen: TrainingStep) -> dict[str, Array]:
        node, ctx = seen.network.nodes[name], seen.ctx.at(name)
        cell: Any = getattr(node.layer, "cell", None)
        if not hasattr(cell, "trace"):
            if self.nodes:
                raise ValueError(f"probe gates: layer '{name}' has no gates")
            return {}
        cache = seen.caches[name]
        if getattr(cell, "draws", False):
            sources = [seen.values[source] for source in node.sources]
            x = sources[0] if len(sources) == 1 else tuple(sources)
            ctx = ctx.but(train=False)
            _, cache = node.layer.forward(seen.p[node.share or name], x, ctx)
        return {gate: y for gate, y in node.layer.trace(cache, ctx).items() if gate in GATES}
