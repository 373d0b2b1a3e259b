from __future__ import annotations

from dataclasses import dataclass

from framework import Array, TrainingStep, option
from framework_probes._axes import examples


@dataclass(frozen=True)
class Dead:
    """activation/<node>/dead: the fraction of units u with y_nu = 0 for every example n of the batch. After a relu no
    gradient passes through such a unit: its weights do not change, and it may stay dead.

    Shapes: y (..., N, F), (..., T, N, F), or (..., N, C, H, W), where a unit is a channel; fraction (...). A unit that is
    0 on a small batch may be active for other examples: the fraction decreases as the batch grows. Unless nodes are
    named, all activations without `bounds` are measured: relu and similar ones, not tanh, which saturates.
    """

    nodes: tuple[str, ...] | None = option(None, help="nodes; null: the activations without bounds")

    def __call__(self, seen: TrainingStep) -> dict[str, Array]:
        nodes = self.nodes or _unbounded(seen)
        return {f"activation/{node}/dead": self._fraction(seen.values[node], seen) for node in nodes}

    def _fraction(self, y: Array, seen: TrainingStep) -> Array:
        alive = (y != 0).any(examples(y, seen.ctx))
        return 1 - alive.mean(-1, dtype=y.dtype)


def _unbounded(seen: TrainingStep) -> list[str]:
    nodes = seen.network.nodes
    return [node for node in seen.network.activations if not hasattr(nodes[node].layer.function, "bounds")]
