from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from framework import Array, TrainingStep, option
from framework_probes._axes import flat, squares


@dataclass(frozen=True)
class Sensitivity:
    """sensitivity/<node>: how much the loss depends on the output y of a node, from delta = dL/dy, the sensitivities of
    the notes (there of a neuron's net input: the output of a dense node). `norm`: sqrt(sum_k delta_k^2); `mean`:
    (1/K) sum_k |delta_k|.

    Shapes: delta (..., any core axes), K values per replica; value (...). L is the training loss, without
    penalties: with a mean over the batch, each example has 1/N of it. For a dense layer dW = x^T delta. If deltas decrease
    from node to node towards the input, gradients vanish.
    """

    measure: Literal["norm", "mean"] = option("norm", help="Euclidean norm, or mean of the absolute values")
    nodes: tuple[str, ...] | None = option(None, help="nodes; null: the layers with trained tensors")

    def __call__(self, seen: TrainingStep) -> dict[str, Array]:
        for node in self.nodes or ():
            if node not in seen.dvalues:
                raise ValueError(f"probe sensitivity: node '{node}' has no gradient: no trained tensor comes before it")
        nodes = self.nodes or [layer for layer in seen.arena.layers if layer in seen.dvalues]
        return {f"sensitivity/{node}": self._size(seen.dvalues[node], seen) for node in nodes}

    def _size(self, delta: Array, seen: TrainingStep) -> Array:
        delta, xp = flat(delta, seen.ctx), seen.ctx.xp
        return xp.sqrt(squares(delta)) if self.measure == "norm" else xp.abs(delta).mean(-1)
